"""What is left and can be told of a tenant's erased evidence: its leaf, its times, the erasure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from anchor.base.errors import CannotCheckError
from anchor.base.system.clock import format_time
from anchor.base.types import ChainId, Hash32
from anchor.evidence.erasure_statement import ErasureStatement, find_statement
from anchor.evidence.printed_number import NumberKind, PrintedNumber
from anchor.store.erasures import Erasure, find_erasure
from anchor.store.number_search import NumberedItem, find_numbered
from anchor.store.record_index import find_leaves
from anchor.store.retentions import RetentionSource
from anchor.store.runs import load_pieces
from anchor.store.schema import tenant_events
from anchor.store.tenant_events import TenantEvent, load_subject_events


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStatement:
    """The statement of an erasure, with its record and place in the log."""

    content: ErasureStatement
    record: bytes
    index: int


# Longer than any erasing transaction; it bounds how much of a trail is read.
_TRANSACTION = timedelta(hours=1)


_MOST_EVENTS = 100


class PassedDate(NamedTuple):
    """A retention date that erased evidence, and whose it was."""

    until: str
    source: RetentionSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedEvidence:
    """An erased piece; ``piece`` and ``statement`` are None if they cannot be told.

    ``retention`` is the date that erased it, if one did.  ``events`` are the newest hundred of the
    tenant's trail about it, in their order.
    """

    erasure: Erasure
    piece: NumberedItem | None
    statement: StoredStatement | None
    retention: PassedDate | None
    events: Sequence[TenantEvent]


def load_erased(
    connection: Connection, chain_id: ChainId, tenant: str, identity: bytes
) -> ErasedEvidence | None:
    """Return what is left of a tenant's erased evidence; None if nothing of that id was erased."""
    erasure = find_erasure(connection, tenant, identity)
    if erasure is None:
        return None
    return ErasedEvidence(
        erasure=erasure,
        piece=_find_piece(connection, chain_id, erasure.leaf),
        statement=None if erasure.statement is None else _find(connection, erasure.statement),
        retention=_find_retention(connection, tenant, identity, erasure.erased_at),
        events=load_subject_events(connection, tenant, identity.hex(), _MOST_EVENTS),
    )


def _find_piece(connection: Connection, chain_id: ChainId, leaf: Hash32) -> NumberedItem | None:
    number = PrintedNumber(value=leaf, kinds=(NumberKind.LEAF,))
    try:
        matches = find_numbered(connection, chain_id, number)
    except CannotCheckError:  # too much is not in the index yet
        return None
    return next((match for match in matches if match.is_erased), None)


def _find(connection: Connection, leaf: Hash32) -> StoredStatement | None:
    try:
        indices = find_leaves(connection, leaf)
    except CannotCheckError:
        return None
    for index, run, at in load_pieces(connection, indices):
        record = run.record(at)
        content = None if record is None else find_statement(record)
        if record is not None and content is not None:
            return StoredStatement(content=content, record=record, index=index)
    return None


def _find_retention(
    connection: Connection, tenant: str, identity: bytes, erased_at: str
) -> PassedDate | None:
    """Return the date that the trail names; its event is made just before ``erased_at``."""
    start = format_time(datetime.fromisoformat(erased_at) - _TRANSACTION)
    query = select(tenant_events.c.details).where(
        tenant_events.c.tenant == tenant,
        tenant_events.c.at.between(start, erased_at),
        tenant_events.c.subject == identity.hex(),
        tenant_events.c.action == "retention-erased",
    )
    details = connection.execute(
        query.order_by(tenant_events.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    members = {} if details is None else json.loads(details)
    # Events of earlier versions name no date.
    return PassedDate(**members) if members else None
