"""Memberships: which persons belong to a tenant, and in which role."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, text, update

from anchor.base.canonical import JsonValue
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.people.actors import Actor
from anchor.people.roles import Role, check_owner_remains, parse_role
from anchor.store.announcements import announce
from anchor.store.api_keys import Quota
from anchor.store.list_position import ListPosition, order_by_time
from anchor.store.persons import PersonRow, parse_person
from anchor.store.schema import case_members, cases, memberships, people, tenants
from anchor.store.tenant_events import Action, note_tenant_event


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantMember:
    """A person in a tenant."""

    person: PersonRow
    role: Role
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A tenant that a person belongs to, with its limits, and whether it is suspended."""

    tenant: str
    role: Role
    limits: Quota
    is_suspended: bool = False


def load_members(
    connection: Connection,
    tenant: str,
    *,
    after: ListPosition | None = None,
    limit: int | None = None,
    outside: str | None = None,
) -> list[TenantMember]:
    """Return a tenant's members, the earliest first; only those ``outside`` a case, by its id."""
    query = (
        select(people, memberships.c.role, memberships.c.since)
        .join(memberships, memberships.c.person == people.c.id)
        .where(memberships.c.tenant == tenant)
    )
    if outside is not None:
        inside = select(case_members.c.person).where(case_members.c.case == outside)
        query = query.where(people.c.id.not_in(inside))
    query = order_by_time(query, memberships.c.since, people.c.id, after=after, limit=limit)
    return [
        TenantMember(person=parse_person(row), role=parse_role(row.role), since=row.since)
        for row in connection.execute(query)
    ]


def load_memberships(connection: Connection, person: str) -> list[Membership]:
    """Return the tenants that a person belongs to, by name."""
    rows = connection.execute(
        select(memberships.c.role, tenants)
        .join(tenants, tenants.c.name == memberships.c.tenant)
        .where(memberships.c.person == person)
        .order_by(memberships.c.tenant)
    )
    return [
        Membership(
            tenant=row.name,
            role=parse_role(row.role),
            limits=Quota(per_day=row.per_day, per_minute=row.per_minute),
            is_suspended=row.suspended_at is not None,
        )
        for row in rows
    ]


def count_members(connection: Connection) -> dict[str, int]:
    """Return the number of members of every tenant, by name."""
    rows = connection.execute(
        select(tenants.c.name, func.count(memberships.c.person).label("members"))
        .join(memberships, memberships.c.tenant == tenants.c.name, isouter=True)
        .group_by(tenants.c.name)
        .order_by(tenants.c.name)
    )
    return {row.name: row.members for row in rows}


def ensure_tenant(connection: Connection, tenant: str, actor: Actor, at: str) -> None:
    """Create a tenant without limits, unless it exists."""
    if connection.execute(_ADD_TENANT, {"name": tenant, "at": at}).rowcount == 1:
        note_tenant_event(connection, tenant, actor, "tenant-created", at=at)


_ADD_TENANT = text(
    "INSERT INTO tenants (name, created_at) VALUES (:name, :at) ON CONFLICT (name) DO NOTHING"
)


def create_own_tenant(connection: Connection, person: str, at: str) -> str:
    """Create a tenant with this person as its owner; return its name, which is random.

    Raises:
        UsageError: The person belongs to a tenant already.
    """
    if load_memberships(connection, person):
        raise UsageError(Message("tenant-own-exists"))
    # Random, so that nobody learns from a name being taken that another tenant has it.
    tenant, actor = f"t-{secrets.token_hex(6)}", Actor("person", person)
    ensure_tenant(connection, tenant, actor, at)
    add_member(connection, tenant, person, "owner", actor, at)
    return tenant


def add_member(
    connection: Connection,
    tenant: str,
    person: str,
    role: Role,
    actor: Actor,
    at: str,
    *,
    invitation: str | None = None,
) -> bool:
    """Add a member; return False, and change nothing, if the person is a member already."""
    if _load_roles(connection, tenant).get(person) is not None:
        return False
    connection.execute(
        insert(memberships).values(tenant=tenant, person=person, role=role, since=at)
    )
    details = {"role": role, "invitation": invitation}
    note_tenant_event(
        connection, tenant, actor, "member-joined", at=at, subject=person, details=details
    )
    announce(connection, tenant, "member.joined", {"person": person, "role": role}, at=at)
    return True


def change_role(
    connection: Connection, tenant: str, person: str, role: Role, actor: Actor, at: str
) -> bool:
    """Give a member another role; return False if the person is no member.

    Raises:
        UsageError: The person is the tenant's last owner.
    """
    roles = _load_roles(connection, tenant)
    if person not in roles:
        return False
    if roles[person] != role:
        check_owner_remains(roles, person, role)
        row = (memberships.c.tenant == tenant) & (memberships.c.person == person)
        connection.execute(update(memberships).where(row).values(role=role))
        details = {"from": roles[person], "to": role}
        note_tenant_event(
            connection, tenant, actor, "role-changed", at=at, subject=person, details=details
        )
    return True


def remove_member(connection: Connection, tenant: str, person: str, actor: Actor, at: str) -> bool:
    """Remove a member, or let them leave; return False if the person is no member.

    Raises:
        UsageError: The person is the tenant's last owner.
    """
    roles = _load_roles(connection, tenant)
    if person not in roles:
        return False
    check_owner_remains(roles, person, None)
    row = (memberships.c.tenant == tenant) & (memberships.c.person == person)
    connection.execute(delete(memberships).where(row))
    # Whoever comes back later must not find themselves in cases of before.
    own = select(cases.c.id).where(cases.c.tenant == tenant)
    seat = (case_members.c.person == person) & case_members.c.case.in_(own)
    connection.execute(delete(case_members).where(seat))
    left = actor == Actor("person", person)
    action: Action = "member-left" if left else "member-removed"
    details = {"role": roles[person]}
    note_tenant_event(connection, tenant, actor, action, at=at, subject=person, details=details)
    data: dict[str, JsonValue] = {"person": person, "role": roles[person], "left": left}
    announce(connection, tenant, "member.removed", data, at=at)
    return True


def _load_roles(connection: Connection, tenant: str) -> dict[str, Role]:
    """Return the members' roles; other transactions that change them wait until this one ends."""
    connection.execute(
        select(tenants.c.name).where(tenants.c.name == tenant).with_for_update()
    ).first()
    rows = connection.execute(
        select(memberships.c.person, memberships.c.role).where(memberships.c.tenant == tenant)
    )
    return {row.person: parse_role(row.role) for row in rows}
