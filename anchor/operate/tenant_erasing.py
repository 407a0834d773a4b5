"""Erasure by the owner of a tenant: of the tenant's own evidence, and of nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Connection

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.evidence.erasure_statement import check_words
from anchor.operate.acceptance import identify
from anchor.operate.audit_trail_evidence import describe_day
from anchor.operate.erasing import ErasureOrder, erase
from anchor.operate.evidence_selection import Selection
from anchor.people.actors import Actor
from anchor.people.erasure_authors import name_owner
from anchor.project.project import OpenProject
from anchor.store.case_exhibits import is_in_open_case
from anchor.store.erasures import Piece
from anchor.store.file_origins import tenant_of
from anchor.store.tenant_events import load_day, note_tenant_event

_TRAIL = re.compile(r"tenant:[^/]+/audit-trail-(\d{4}-\d\d-\d\d)\.jsonl", re.ASCII)


def erase_own(
    project: OpenProject, tenant: str, identity: bytes, *, basis: str, reason: str, actor: Actor
) -> None:
    """Erase a tenant's piece of evidence.

    The statement names the tenant and the actor by id.  ``anchor run`` removes what is left on
    disk.

    Raises:
        UsageError: The basis or the reason is malformed; the piece is held, is an exhibit of an
            open case or a day of the audit trail, or another submission has the same record; or the
            store has no such piece.
    """
    order = ErasureOrder(basis=basis, by=name_owner(tenant, actor), reason=reason)
    check_words(order.basis, {"reason": order.reason})

    def step(connection: Connection, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            if tenant_of(piece.source) != tenant:
                raise UsageError(Message("erasure-of-shared-record"))
            if is_in_open_case(connection, tenant, piece.leaf):
                raise UsageError(Message("erasure-of-exhibit"))
            if is_audit_trail(connection, tenant, piece):
                raise UsageError(Message("erasure-of-audit-trail"))
        note_tenant_event(
            connection,
            tenant,
            actor,
            "evidence-erased",
            at=utc_now(),
            subject=identity.hex(),
            details={"basis": basis},
        )

    erase(project, Selection(ids=[identity]), order, step)


def is_audit_trail(connection: Connection, tenant: str, piece: Piece) -> bool:
    """Return whether a piece is the record of a day, and not evidence of the same name."""
    day = _TRAIL.fullmatch(piece.source)
    if day is None:
        return False
    submission, _ = describe_day(tenant, day[1], load_day(connection, tenant, day[1]))
    return identify(submission) == piece.identity
