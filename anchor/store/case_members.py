"""Members of cases: the persons of a tenant who see a case that is not open to all of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from anchor.people.actors import Actor
from anchor.store.cases import CaseRow
from anchor.store.list_position import ListPosition, order_by_time
from anchor.store.persons import PersonRow, parse_person
from anchor.store.schema import case_members, memberships, people
from anchor.store.tenant_events import note_tenant_event


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMember:
    """A person who sees a case."""

    person: PersonRow
    since: str


def load_case_members(
    connection: Connection,
    case: str,
    *,
    after: ListPosition | None = None,
    limit: int | None = None,
) -> list[CaseMember]:
    """Return the members of a case, the earliest first."""
    query = (
        select(people, case_members.c.since)
        .join(case_members, case_members.c.person == people.c.id)
        .where(case_members.c.case == case)
    )
    query = order_by_time(query, case_members.c.since, people.c.id, after=after, limit=limit)
    rows = connection.execute(query)
    return [CaseMember(person=parse_person(row), since=row.since) for row in rows]


def add_case_member(
    connection: Connection, case: CaseRow, person: str, actor: Actor, at: str
) -> bool:
    """Add a person to a case; return False if they do not belong to its tenant."""
    belongs = (memberships.c.tenant == case.tenant) & (memberships.c.person == person)
    # Locked, because whoever is removed from the tenant also leaves its cases.
    query = select(memberships.c.person).where(belongs).with_for_update()
    if connection.execute(query).first() is None:
        return False
    if not _is_member(connection, case.id, person):
        values = {"case": case.id, "person": person, "since": at}
        connection.execute(insert(case_members).values(values))
        _note(connection, case, person, actor, at, is_added=True)
    return True


def remove_case_member(
    connection: Connection, case: CaseRow, person: str, actor: Actor, at: str
) -> bool:
    """Remove a person from a case; return False if they are no member of it."""
    row = (case_members.c.case == case.id) & (case_members.c.person == person)
    if connection.execute(delete(case_members).where(row)).rowcount == 0:
        return False
    _note(connection, case, person, actor, at, is_added=False)
    return True


def _is_member(connection: Connection, case: str, person: str) -> bool:
    row = (case_members.c.case == case) & (case_members.c.person == person)
    return connection.execute(select(case_members.c.person).where(row)).first() is not None


def _note(
    connection: Connection, case: CaseRow, person: str, actor: Actor, at: str, *, is_added: bool
) -> None:
    note_tenant_event(
        connection,
        case.tenant,
        actor,
        "case-member-added" if is_added else "case-member-removed",
        at=at,
        subject=person,
        details={"case": case.id},
    )
