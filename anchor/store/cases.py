"""Cases of a tenant: number, title, parties, state and legal hold.

Who sees which case is decided here, in the query, so that no case is loaded for anybody else.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    delete,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.evidence.search_query import fold_name
from anchor.people.actors import Actor
from anchor.people.case_rules import CaseState, CaseViewer, Party
from anchor.store.erasures import lock_holds
from anchor.store.schema import case_members, case_parties, cases, tenants
from anchor.store.tenant_events import Action, note_tenant_event

_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFields:
    """What is entered of a case; with ``is_shared`` every person of the tenant sees it."""

    number: str
    title: str
    authority: str
    parties: tuple[Party, ...]
    is_shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseHold:
    """The legal hold on a case's exhibits, in force while the case is open."""

    reason: str
    placed_by: str
    placed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A case; times are RFC 3339 texts."""

    id: str
    tenant: str
    fields: CaseFields
    created_at: str
    created_by: str
    closed_at: str | None
    hold: CaseHold | None

    @property
    def state(self) -> CaseState:
        """Return whether the case is open."""
        return "open" if self.closed_at is None else "closed"

    @property
    def is_held(self) -> bool:
        """Return whether a hold on its exhibits is in force."""
        return self.hold is not None and self.closed_at is None


def create_case(
    connection: Connection, tenant: str, fields: CaseFields, actor: Actor, at: str
) -> CaseRow:
    """Create a case, with the person who creates it as a member.

    Repeated by the same actor with the same fields, it is the same case.

    Raises:
        UsageError: The tenant has a case with this number.
    """
    known = _find_number(connection, tenant, fields.number)
    if known is not None:
        if known.fields == fields and known.created_by == actor.encode():
            return known
        raise UsageError(Message("case-number-taken"))
    case = CaseRow(
        id=secrets.token_hex(_ID_BYTES),
        tenant=tenant,
        fields=fields,
        created_at=at,
        created_by=actor.encode(),
        closed_at=None,
        hold=None,
    )
    values = {"created_at": at, "created_by": case.created_by, **_columns_of(fields)}
    connection.execute(insert(cases).values(id=case.id, tenant=tenant, **values))
    _insert_parties(connection, case.id, fields.parties)
    if actor.kind == "person":
        member = {"case": case.id, "person": actor.id, "since": at}
        connection.execute(insert(case_members).values(**member))
    note_tenant_event(connection, tenant, actor, "case-created", at=at, subject=case.id)
    return case


def find_case(
    connection: Connection, tenant: str, viewer: CaseViewer, id: str, *, is_locked: bool = False
) -> CaseRow | None:
    """Return the tenant's case with this id, if the viewer sees it.

    With ``is_locked`` other transactions that change it wait until this one ends.
    """
    query = select(cases).where((cases.c.id == id) & visible_cases(tenant, viewer))
    if is_locked:
        query = query.with_for_update()
    return next(iter(parse_cases(connection, connection.execute(query).all())), None)


def load_cases(
    connection: Connection,
    tenant: str,
    viewer: CaseViewer,
    limit: int,
    *,
    before: str | None = None,
    state: CaseState | None = None,
) -> list[CaseRow]:
    """Return up to ``limit`` cases that the viewer sees, the newest first, or those before one."""
    condition = visible_cases(tenant, viewer)
    if state is not None:
        closed = cases.c.closed_at
        condition &= closed.is_(None) if state == "open" else closed.is_not(None)
    order = tuple_(cases.c.created_at, cases.c.id)
    if before is not None:
        last = select(cases.c.created_at, cases.c.id).where(
            (cases.c.id == before) & (cases.c.tenant == tenant)
        )
        row = connection.execute(last).one_or_none()
        if row is None:
            return []
        condition &= order < tuple_(row.created_at, row.id)
    newest = (cases.c.created_at.desc(), cases.c.id.desc())
    rows = connection.execute(select(cases).where(condition).order_by(*newest).limit(limit))
    return parse_cases(connection, rows.all())


def change_case(
    connection: Connection, case: CaseRow, fields: CaseFields, actor: Actor, at: str
) -> None:
    """Give a case other fields.

    Raises:
        UsageError: Another case of the tenant has this number.
    """
    if fields == case.fields:
        return
    other = _find_number(connection, case.tenant, fields.number)
    if other is not None and other.id != case.id:
        raise UsageError(Message("case-number-taken"))
    connection.execute(update(cases).where(cases.c.id == case.id).values(**_columns_of(fields)))
    if fields.parties != case.fields.parties:
        connection.execute(delete(case_parties).where(case_parties.c.case == case.id))
        _insert_parties(connection, case.id, fields.parties)
    names = ("number", "title", "authority", "parties", "is_shared")
    changed = [name for name in names if getattr(fields, name) != getattr(case.fields, name)]
    details = {"changed": " ".join(changed).replace("is_shared", "shared")}
    note_tenant_event(
        connection, case.tenant, actor, "case-changed", at=at, subject=case.id, details=details
    )


def set_case_state(
    connection: Connection, case: CaseRow, state: CaseState, actor: Actor, at: str
) -> None:
    """Close a case, which ends the force of its hold, or open it again."""
    if state == case.state:
        return
    if state == "open":
        lock_holds(connection)
    closed_at = at if state == "closed" else None
    connection.execute(update(cases).where(cases.c.id == case.id).values(closed_at=closed_at))
    action: Action = "case-closed" if state == "closed" else "case-reopened"
    note_tenant_event(connection, case.tenant, actor, action, at=at, subject=case.id)


def place_case_hold(
    connection: Connection, case: CaseRow, reason: str, actor: Actor, at: str
) -> None:
    """Put the exhibits of a case under a legal hold, unless they are under one."""
    if case.hold is not None:
        return
    lock_holds(connection)
    values = {"hold_reason": reason, "hold_by": actor.encode(), "hold_at": at}
    connection.execute(update(cases).where(cases.c.id == case.id).values(**values))
    note_tenant_event(connection, case.tenant, actor, "case-hold-placed", at=at, subject=case.id)


def lift_case_hold(connection: Connection, case: CaseRow, actor: Actor, at: str) -> None:
    """Lift the legal hold of a case, if it has one."""
    if case.hold is None:
        return
    values = {"hold_reason": None, "hold_by": None, "hold_at": None}
    connection.execute(update(cases).where(cases.c.id == case.id).values(**values))
    note_tenant_event(connection, case.tenant, actor, "case-hold-lifted", at=at, subject=case.id)


def visible_cases(tenant: str, viewer: CaseViewer) -> ColumnElement[bool]:
    """Return the condition for the tenant's cases that the viewer sees."""
    if viewer.sees_all:
        seen: ColumnElement[bool] = true()
    elif viewer.person is None:
        seen = or_(cases.c.shared == 1, cases.c.created_by == viewer.creator)
    else:
        own = select(case_members.c.case).where(case_members.c.person == viewer.person)
        seen = or_(cases.c.shared == 1, cases.c.id.in_(own))
    return (cases.c.tenant == tenant) & seen


def _find_number(connection: Connection, tenant: str, number: str) -> CaseRow | None:
    """Return the case with a number; other transactions that number a case wait for this one."""
    connection.execute(
        select(tenants.c.name).where(tenants.c.name == tenant).with_for_update()
    ).first()
    query = select(cases).where((cases.c.tenant == tenant) & (cases.c.number == number))
    return next(iter(parse_cases(connection, connection.execute(query).all())), None)


def _columns_of(fields: CaseFields) -> dict[str, object]:
    names = (party.name for party in fields.parties)
    words = (fields.number, fields.title, fields.authority, *names)
    return {
        "number": fields.number,
        "title": fields.title,
        "authority": fields.authority,
        "folded": fold_name(" ".join(words)),
        "shared": int(fields.is_shared),
    }


def _insert_parties(connection: Connection, case: str, parties: Iterable[Party]) -> None:
    rows = [
        {"case": case, "position": position, "role": party.role, "name": party.name}
        for position, party in enumerate(parties, 1)
    ]
    if rows:
        connection.execute(insert(case_parties), rows)


def parse_cases(connection: Connection, rows: Sequence[Row[Any]]) -> list[CaseRow]:
    """Return the cases in rows that have the columns of ``cases``."""
    parties: dict[str, list[Party]] = {row.id: [] for row in rows}
    query = select(case_parties).where(case_parties.c.case.in_(list(parties)))
    for row in connection.execute(query.order_by(case_parties.c.position)) if parties else ():
        parties[row.case].append(Party(row.role, row.name))
    return [_parse(row, tuple(parties[row.id])) for row in rows]


def _parse(row: Row[Any], parties: tuple[Party, ...]) -> CaseRow:
    hold = None
    if row.hold_at is not None:
        hold = CaseHold(reason=row.hold_reason, placed_by=row.hold_by, placed_at=row.hold_at)
    return CaseRow(
        id=row.id,
        tenant=row.tenant,
        fields=CaseFields(
            number=row.number,
            title=row.title,
            authority=row.authority,
            parties=parties,
            is_shared=bool(row.shared),
        ),
        created_at=row.created_at,
        created_by=row.created_by,
        closed_at=row.closed_at,
        hold=hold,
    )
