"""Retention dates that act: people are told before, and what is due is erased as an owner erases.

``act_on_due`` does a bounded batch.  Notices, and what was done about each date, are one
transaction; so are an erasure, its statement and its events.  A crash between them leaves dates to
be looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_unix_time, utc_now
from anchor.evidence.retention import (
    RETRY_SECONDS,
    Beater,
    RetentionFacts,
    RetentionStep,
    erasure_time,
    find_beater,
    format_moment,
    plan_step,
    states_hold,
)
from anchor.notifications.message_body import describe_retention
from anchor.operate.erasing import ErasureOrder, erase
from anchor.operate.evidence_selection import Selection, find_pieces
from anchor.operate.tenant_erasing import is_audit_trail
from anchor.people.actors import Actor
from anchor.people.erasure_authors import RETENTION
from anchor.project.project import OpenProject
from anchor.store.announcements import announce
from anchor.store.case_exhibits import is_in_open_case
from anchor.store.erasures import Piece, find_by_ids, load_records, lock_holds
from anchor.store.file_origins import tenant_of
from anchor.store.legal_holds import find_held
from anchor.store.memberships import ensure_tenant
from anchor.store.retentions import (
    Retention,
    forget_retentions,
    load_due,
    load_retentions,
    note_progress,
)
from anchor.store.tenant_events import note_tenant_event

MOST = 200
"""Dates that are looked at in one round."""
ACTOR = Actor("service", "retention")

_Row = TypeVar("_Row")

_ORDER = ErasureOrder(
    basis="other",
    by=RETENTION,
    reason="the retention date has passed",
    is_own_wording=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRound:
    """What a round did: pieces that people were told of, erased ones, and those that were kept."""

    looked: int = 0
    told: int = 0
    erased: int = 0
    beaten: int = 0


def act_on_due(project: OpenProject, at: float) -> RetentionRound:
    """Do what is due about retention dates at ``at``, in Unix seconds.

    ``at`` must be a time that has certainly passed: the chain's and this machine's.

    Raises:
        StoreBusyError: Other processes keep the store busy; calling again continues.
        StorageError: The disk is full or fails; calling again continues.
    """
    grace = project.config.retention.grace_days
    moment = format_unix_time(at)

    def look(connection: Connection) -> tuple[int, int, list[bytes]]:
        lock_holds(connection)
        due = load_due(connection, moment, MOST)
        notices: list[Retention] = []
        erasable: list[bytes] = []
        for row in due:
            step = _plan(row, grace, at)
            if step.action == "erase":
                erasable.append(row.identity)
                continue
            changed: dict[str, str | int | None] = {"beaten_by": None}
            if step.action == "tell":
                notices.append(row)
                changed |= {"told": step.told, "told_at": moment}
            note_progress(connection, row.identity, next_at=format_moment(step.next_at), **changed)
        _tell(connection, project, notices, grace)
        return len(due), len(notices), erasable

    looked, told, erasable = project.database.write_with_retry(look)
    # A crash here: who had to be told is told once; what is due is found again.
    beaten = project.database.write_with_retry(
        lambda connection: _set_aside(connection, erasable, grace, at)
    )
    rest = [identity for identity in erasable if identity not in beaten]
    erased = _erase(project, rest, grace, at) if rest else 0
    return RetentionRound(
        looked=looked,
        told=told,
        erased=erased,
        beaten=len(erasable) - erased,
    )


def find_beaters(
    connection: Connection, pieces: Sequence[Piece], grace_days: int, at: float
) -> Mapping[bytes, Beater]:
    """Return what beats the erasure of each leaf of ``pieces``, all that have one of them."""
    rows = load_retentions(connection, [piece.identity for piece in pieces])
    undue = {
        piece.leaf
        for piece in pieces
        if (row := rows.get(piece.identity)) is None or _plan(row, grace_days, at).action != "erase"
    }
    beaters: dict[bytes, Beater] = {}
    for piece, record in load_records(connection, pieces):
        tenant = tenant_of(piece.source)
        facts = RetentionFacts(
            is_held=find_held(connection, [piece]) is not None,
            states_hold=record is not None and states_hold(record),
            is_exhibit=tenant is not None and is_in_open_case(connection, tenant, piece.leaf),
            is_audit_trail=tenant is not None and is_audit_trail(connection, tenant, piece),
            is_kept_elsewhere=piece.leaf in undue,
        )
        beater = find_beater(facts)
        if beater is not None:
            beaters.setdefault(piece.leaf, beater)
    return beaters


def _plan(row: Retention, grace: int, at: float) -> RetentionStep:
    return plan_step(row.until, told=row.told, told_at=row.told_at, grace_days=grace, at=at)


def _tell(
    connection: Connection, project: OpenProject, rows: Sequence[Retention], grace: int
) -> None:
    """Note that evidence will be erased: an event for each piece, a message for each tenant."""
    at = utc_now()
    for tenant, theirs in _by_tenant(rows, lambda row: row.tenant).items():
        ensure_tenant(connection, tenant, ACTOR, at)  # it may have evidence, and no row
        times = [format_moment(erasure_time(row.until, grace)) for row in theirs]
        for row, erased_from in zip(theirs, times, strict=True):
            note_tenant_event(
                connection, tenant, ACTOR, "retention-due",
                at=at, subject=row.identity.hex(), details={"erased_from": erased_from},
            )  # fmt: skip
        data = describe_retention(
            [row.identity.hex() for row in theirs],
            erased_from=min(times),
            base_url=project.config.platform.url,
            tenant=tenant,
        )
        announce(connection, tenant, "retention.due", data, at=at)


def _set_aside(
    connection: Connection, identities: Sequence[bytes], grace: int, at: float
) -> set[bytes]:
    """Return the pieces that something beats, which are tried again later, or that are gone."""
    if not identities:
        return set()
    lock_holds(connection)
    held = find_by_ids(connection, identities)
    gone = set(identities) - {piece.identity for piece in held}
    forget_retentions(connection, list(gone))
    if not held:
        return gone
    pieces = find_pieces(connection, Selection(ids=[piece.identity for piece in held]))
    beaters = find_beaters(connection, pieces, grace, at)
    beaten = {piece.identity: beaters[piece.leaf] for piece in held if piece.leaf in beaters}
    _postpone(connection, beaten, at)
    return gone | beaten.keys()


def _postpone(connection: Connection, beaten: Mapping[bytes, Beater], at: float) -> None:
    next_at = format_moment(at + RETRY_SECONDS)
    for identity, beater in beaten.items():
        note_progress(connection, identity, next_at=next_at, beaten_by=beater)


def _erase(project: OpenProject, identities: Sequence[bytes], grace: int, at: float) -> int:
    """Erase pieces that nothing beats; return how many."""

    def step(connection: Connection, pieces: Sequence[Piece]) -> None:
        # Placed since they were looked at: nothing is erased, and the next try finds it.
        if find_beaters(connection, pieces, grace, at):
            raise UsageError(Message("retention-beaten-meanwhile"))
        moment = utc_now()
        dates = load_retentions(connection, [piece.identity for piece in pieces])
        for tenant, theirs in _by_tenant(pieces, lambda piece: tenant_of(piece.source)).items():
            ensure_tenant(connection, tenant, ACTOR, moment)
            for piece in theirs:
                date = dates[piece.identity]
                note_tenant_event(
                    connection, tenant, ACTOR, "retention-erased",
                    at=moment, subject=piece.identity.hex(),
                    details={"until": date.until, "source": date.source},
                )  # fmt: skip
            announce(connection, tenant, "retention.erased", {"count": len(theirs)}, at=moment)

    try:
        return len(erase(project, Selection(ids=identities), _ORDER, step))
    except UsageError:
        project.database.write_with_retry(
            lambda connection: _postpone(connection, dict.fromkeys(identities, "refused"), at)
        )
        return 0


def _by_tenant(rows: Sequence[_Row], tenant: Callable[[_Row], str | None]) -> dict[str, list[_Row]]:
    """Return the rows of each tenant; the operator's own have no trail, and nobody to tell."""
    theirs: dict[str, list[_Row]] = {}
    for row in rows:
        name = tenant(row)
        if name is not None:
            theirs.setdefault(name, []).append(row)
    return theirs
