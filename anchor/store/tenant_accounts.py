"""Tenants as their operator sees them: figures, quotas, and their suspension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from anchor.people.actors import Actor
from anchor.store.api_keys import Quota
from anchor.store.kept_copies import count_all_copy_bytes
from anchor.store.schema import api_keys, memberships, tenants, usage
from anchor.store.tenant_events import Action, note_tenant_event


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAccount:
    """A tenant with its figures.

    ``accepted`` is all the evidence that the service ever took from it, ``last_day`` the last day
    on which it took any; ``keys`` are those not revoked, and ``copy_bytes`` what its copies of
    originals take.
    """

    name: str
    created_at: str
    suspended_at: str | None
    members: int
    keys: int
    accepted: int
    today: int
    last_day: str | None
    limits: Quota
    copy_bytes: int


def load_accounts(
    connection: Connection, day: str, *, after: str = "", limit: int | None = None
) -> list[TenantAccount]:
    """Return up to ``limit`` tenants whose names follow ``after``; ``day`` is today (UTC)."""
    query = select(tenants).where(tenants.c.name > after).order_by(tenants.c.name).limit(limit)
    rows = connection.execute(query).all()
    if not rows:
        return []
    first, last = rows[0].name, rows[-1].name
    member_rows = connection.execute(
        select(memberships.c.tenant, func.count().label("size"))
        .where(memberships.c.tenant.between(first, last))
        .group_by(memberships.c.tenant)
    )
    members: dict[str, int] = {row.tenant: row.size for row in member_rows}
    key_rows = connection.execute(
        select(api_keys.c.tenant, func.count().label("size"))
        .where(api_keys.c.revoked_at.is_(None) & api_keys.c.tenant.between(first, last))
        .group_by(api_keys.c.tenant)
    )
    keys: dict[str, int] = {row.tenant: row.size for row in key_rows}
    used_rows = connection.execute(
        select(
            usage.c.tenant,
            func.sum(usage.c.accepted).label("accepted"),
            func.max(usage.c.day).filter(usage.c.accepted > 0).label("last_day"),
            func.sum(usage.c.accepted).filter(usage.c.day == day).label("today"),
        )
        .where(usage.c.tenant.between(first, last))
        .group_by(usage.c.tenant)
    )
    used = {row.tenant: row for row in used_rows}
    copies = count_all_copy_bytes(connection, first, last)
    accounts = []
    for row in rows:
        figures = used.get(row.name)
        accounts.append(
            TenantAccount(
                name=row.name,
                created_at=row.created_at,
                suspended_at=row.suspended_at,
                members=members.get(row.name, 0),
                keys=keys.get(row.name, 0),
                accepted=0 if figures is None else int(figures.accepted),
                today=0 if figures is None else int(figures.today or 0),
                last_day=None if figures is None else figures.last_day,
                limits=Quota(per_day=row.per_day, per_minute=row.per_minute),
                copy_bytes=copies.get(row.name, 0),
            )
        )
    return accounts


def suspend_tenant(connection: Connection, tenant: str, reason: str, actor: Actor, at: str) -> bool:
    """Refuse a tenant's keys and people from now on; return False if there is no such tenant."""
    details = {"reason": reason}
    return _set_suspension(connection, tenant, at, "tenant-suspended", actor, at, details)


def resume_tenant(connection: Connection, tenant: str, actor: Actor, at: str) -> bool:
    """End a tenant's suspension; return False if there is no such tenant."""
    return _set_suspension(connection, tenant, None, "tenant-resumed", actor, at, {})


def change_limits(
    connection: Connection, tenant: str, limits: Quota, actor: Actor, at: str
) -> bool:
    """Give a tenant other quotas; return False if there is no such tenant."""
    row = connection.execute(
        select(tenants).where(tenants.c.name == tenant).with_for_update()
    ).one_or_none()
    if row is None:
        return False
    if (row.per_day, row.per_minute) != (limits.per_day, limits.per_minute):
        values = {"per_day": limits.per_day, "per_minute": limits.per_minute}
        connection.execute(update(tenants).where(tenants.c.name == tenant).values(**values))
        details = {name: None if most is None else str(most) for name, most in values.items()}
        note_tenant_event(connection, tenant, actor, "quota-changed", at=at, details=details)
    return True


def _set_suspension(
    connection: Connection,
    tenant: str,
    suspended_at: str | None,
    action: Action,
    actor: Actor,
    at: str,
    details: Mapping[str, str | None],
) -> bool:
    """Change a tenant's suspension and note it; a state that is there already stays as it is."""
    row = connection.execute(
        select(tenants).where(tenants.c.name == tenant).with_for_update()
    ).one_or_none()
    if row is None:
        return False
    if (row.suspended_at is None) != (suspended_at is None):
        values = {"suspended_at": suspended_at}
        connection.execute(update(tenants).where(tenants.c.name == tenant).values(**values))
        note_tenant_event(connection, tenant, actor, action, at=at, details=details)
    return True
