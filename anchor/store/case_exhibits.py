"""The exhibits of cases: pieces of the tenant's evidence, in order, with what they are to prove."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.evidence.printed_number import read_number_or_none
from anchor.people.actors import Actor
from anchor.people.case_rules import MAX_EXHIBITS, CaseViewer, move_to
from anchor.store.cases import CaseRow, parse_cases, visible_cases
from anchor.store.erasures import lock_holds
from anchor.store.evidence import StoredEvidence, load_by_identity, load_stored
from anchor.store.file_origins import tenant_of
from anchor.store.number_search import find_numbered_indices
from anchor.store.schema import case_exhibits, cases
from anchor.store.tenant_events import note_tenant_event

_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitFields:
    """What is entered of an exhibit."""

    label: str
    purpose: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitRow:
    """An exhibit; ``identity`` is None, and ``erased_at`` set, once its evidence is erased.

    Without either, its record was lost.
    """

    id: str
    position: int
    leaf: bytes
    identity: bytes | None
    label: str
    purpose: str
    note: str
    added_at: str
    added_by: str
    erased_at: str | None


def load_exhibits(connection: Connection, case: str) -> list[ExhibitRow]:
    """Return the exhibits of a case, in order."""
    columns = [case_exhibits.c[field.name] for field in fields(ExhibitRow)]
    query = select(*columns).where(case_exhibits.c.case == case)
    rows = connection.execute(query.order_by(case_exhibits.c.position))
    return [ExhibitRow(**row._asdict()) for row in rows]


def load_exhibit_pieces(
    connection: Connection, case: str
) -> list[tuple[ExhibitRow, StoredEvidence | None]]:
    """Return the exhibits of a case, in order, each with its evidence unless that is erased."""
    exhibits = load_exhibits(connection, case)
    identities = [each.identity for each in exhibits if each.identity is not None]
    pieces = load_by_identity(connection, identities)
    return [(each, pieces.get(each.identity or b"")) for each in exhibits]


def find_exhibit(connection: Connection, case: str, id: str) -> ExhibitRow | None:
    """Return the exhibit of a case with this id."""
    return _find_one(connection, case, case_exhibits.c.id == id)


def _find_one(
    connection: Connection, case: str, condition: ColumnElement[bool]
) -> ExhibitRow | None:
    columns = [case_exhibits.c[field.name] for field in fields(ExhibitRow)]
    query = select(*columns).where((case_exhibits.c.case == case) & condition)
    row = connection.execute(query).one_or_none()
    return None if row is None else ExhibitRow(**row._asdict())


def count_exhibits(connection: Connection, cases: Sequence[str]) -> dict[str, int]:
    """Return the number of exhibits of each of these cases that has any."""
    rows = connection.execute(
        select(case_exhibits.c.case, func.count().label("exhibits"))
        .where(case_exhibits.c.case.in_(cases))
        .group_by(case_exhibits.c.case)
    )
    return {row.case: row.exhibits for row in rows}


def load_open_cases_of(
    connection: Connection, tenant: str, viewer: CaseViewer, identity: bytes
) -> list[tuple[CaseRow, ExhibitRow]]:
    """Return the open cases that the viewer sees with this evidence, the first addition first."""
    condition = visible_cases(tenant, viewer) & cases.c.closed_at.is_(None)
    columns = [case_exhibits.c[field.name] for field in fields(ExhibitRow)]
    query = (
        select(case_exhibits.c.case, *columns)
        .join(cases, cases.c.id == case_exhibits.c.case)
        .where(condition & (case_exhibits.c.identity == identity))
        .order_by(case_exhibits.c.added_at, case_exhibits.c.id)
    )
    exhibits: dict[str, ExhibitRow] = {}
    for row in connection.execute(query):
        members = row._asdict()
        case = members.pop("case")
        exhibits[case] = ExhibitRow(**members)
    rows = connection.execute(select(cases).where(cases.c.id.in_(list(exhibits)))).all()
    known = {case.id: case for case in parse_cases(connection, rows)}
    return [(known[case], exhibit) for case, exhibit in exhibits.items()]


def is_in_open_case(connection: Connection, tenant: str, leaf: bytes) -> bool:
    """Return whether evidence is an exhibit of one of the tenant's cases that is open."""
    query = (
        select(case_exhibits.c.id)
        .join(cases, cases.c.id == case_exhibits.c.case)
        .where((cases.c.tenant == tenant) & cases.c.closed_at.is_(None))
        .where(case_exhibits.c.leaf == leaf)
        .limit(1)
    )
    return connection.execute(query).first() is not None


def find_tenant_piece(connection: Connection, tenant: str, named: str) -> StoredEvidence:
    """Return the tenant's evidence with this id or number, as any receipt prints it.

    Raises:
        UsageError: The tenant has none, or several, or it is no number.
        CannotCheckError: Too many pieces are not in the index yet to tell.
    """
    number = read_number_or_none(named)
    if number is None:
        raise UsageError(Message("exhibit-evidence-unreadable"))
    indices = find_numbered_indices(connection, number)
    stored = load_stored(connection, indices)
    own = [piece for piece in stored if tenant_of(piece.source) == tenant and piece.record]
    if not own:
        raise UsageError(Message("evidence-unknown-to-tenant"))
    if len(own) > 1:
        raise UsageError(Message("exhibit-evidence-ambiguous", count=len(own)))
    return own[0]


def add_exhibit(
    connection: Connection,
    case: CaseRow,
    piece: StoredEvidence,
    entered: ExhibitFields,
    actor: Actor,
    at: str,
) -> tuple[ExhibitRow, bool]:
    """Add an exhibit at the end; return it, and whether it is new.

    Raises:
        UsageError: The evidence is another exhibit of the case already, or there are too many.
    """
    # An erasure that is under way must not miss that this piece is an exhibit from now on.
    lock_holds(connection)
    known = _find_one(connection, case.id, case_exhibits.c.identity == piece.identity)
    if known is not None:
        if _entered(known) == entered:
            return known, False
        raise UsageError(Message("exhibit-known", position=known.position))
    count = count_exhibits(connection, [case.id]).get(case.id, 0)
    if count >= MAX_EXHIBITS:
        raise UsageError(Message("exhibits-too-many", limit=MAX_EXHIBITS))
    exhibit = ExhibitRow(
        id=secrets.token_hex(_ID_BYTES),
        position=count + 1,
        leaf=piece.leaf,
        identity=piece.identity,
        label=entered.label,
        purpose=entered.purpose,
        note=entered.note,
        added_at=at,
        added_by=actor.encode(),
        erased_at=None,
    )
    values = {field.name: getattr(exhibit, field.name) for field in fields(exhibit)}
    connection.execute(insert(case_exhibits).values({"case": case.id, **values}))
    details = {"exhibit": exhibit.id}
    note_tenant_event(
        connection, case.tenant, actor, "exhibit-added", at=at, subject=case.id, details=details
    )
    return exhibit, True


def change_exhibit(
    connection: Connection,
    case: CaseRow,
    exhibit: ExhibitRow,
    entered: ExhibitFields,
    position: int,
    actor: Actor,
    at: str,
) -> None:
    """Give an exhibit other words, and move it to a position; the others keep their order."""
    ids = [each.id for each in load_exhibits(connection, case.id)]
    order = move_to(ids, exhibit.id, position)
    if order == ids and _entered(exhibit) == entered:
        return
    values = {"label": entered.label, "purpose": entered.purpose, "note": entered.note}
    connection.execute(
        update(case_exhibits).where(case_exhibits.c.id == exhibit.id).values(**values)
    )
    _renumber(connection, ids, order)
    details = {"exhibit": exhibit.id, "position": str(order.index(exhibit.id) + 1)}
    note_tenant_event(
        connection, case.tenant, actor, "exhibit-changed", at=at, subject=case.id, details=details
    )


def remove_exhibit(
    connection: Connection, case: CaseRow, exhibit: ExhibitRow, actor: Actor, at: str
) -> None:
    """Remove an exhibit from its case; the evidence stays as it is."""
    ids = [each.id for each in load_exhibits(connection, case.id)]
    connection.execute(delete(case_exhibits).where(case_exhibits.c.id == exhibit.id))
    _renumber(connection, ids, [id for id in ids if id != exhibit.id])
    details = {"exhibit": exhibit.id, "leaf": exhibit.leaf.hex()}
    note_tenant_event(
        connection, case.tenant, actor, "exhibit-removed", at=at, subject=case.id, details=details
    )


def _renumber(connection: Connection, before: Sequence[str], after: Sequence[str]) -> None:
    places = dict(zip(before, range(1, len(before) + 1), strict=True))
    moved = [
        {"moved": id, "place": place} for place, id in enumerate(after, 1) if places[id] != place
    ]
    query = update(case_exhibits).where(case_exhibits.c.id == bindparam("moved"))
    if moved:
        connection.execute(query.values(position=bindparam("place")), moved)


def _entered(exhibit: ExhibitRow) -> ExhibitFields:
    return ExhibitFields(label=exhibit.label, purpose=exhibit.purpose, note=exhibit.note)
