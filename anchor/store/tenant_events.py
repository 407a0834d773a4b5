"""Each tenant's audit trail: what its people, keys and the operator did, only ever added to.

An event names persons by id, so that erasing a person's row leaves nothing of them but the id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from sqlalchemy import Connection, func, insert, select

from anchor.base.canonical import JsonValue, encode_canonical
from anchor.people.actors import Actor
from anchor.store.schema import tenant_events

Action: TypeAlias = Literal[
    "tenant-created",
    "tenant-suspended",
    "tenant-resumed",
    "quota-changed",
    "invitation-made",
    "invitation-withdrawn",
    "member-joined",
    "member-left",
    "member-removed",
    "role-changed",
    "key-created",
    "key-revoked",
    "evidence-erased",
    "retention-set",
    "retention-removed",
    "retention-due",
    "retention-erased",
    "certificate-ordered",
    "certificate-revoked",
    "case-created",
    "case-changed",
    "case-closed",
    "case-reopened",
    "case-hold-placed",
    "case-hold-lifted",
    "case-member-added",
    "case-member-removed",
    "case-note-added",
    "case-link-made",
    "case-link-revoked",
    "case-link-opened",
    "exhibit-added",
    "exhibit-changed",
    "exhibit-removed",
    "webhook-created",
    "webhook-changed",
    "webhook-secret-rotated",
    "webhook-disabled",
    "webhook-removed",
    "capture-ordered",
    "capture-recorded",
    "capture-refused",
    "copy-kept",
    "copy-refused",
    "copy-read",
    "copy-deleted",
    "passkey-added",
    "passkey-renamed",
    "passkey-removed",
    "passkey-used",
    "passkey-refused",
]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantEvent:
    """An event; ``details`` is canonical JSON, ``subject`` what it was done to."""

    id: int
    at: str
    actor: str
    action: str
    subject: str | None
    details: str

    def members(self) -> dict[str, JsonValue]:
        """Return the event's members without the id, which differs in a restored store."""
        return {
            "action": self.action,
            "actor": self.actor,
            "at": self.at,
            "details": json.loads(self.details),
            "subject": self.subject,
        }

    def line(self) -> bytes:
        """Return the event as the line of canonical JSON over which a day's digest is made."""
        return encode_canonical(self.members(), subject="an event") + b"\n"


def note_tenant_event(
    connection: Connection,
    tenant: str,
    actor: Actor,
    action: Action,
    *,
    at: str,
    subject: str | None = None,
    details: Mapping[str, str | None] | None = None,
) -> None:
    """Add an event in the transaction that makes the change."""
    members = {name: value for name, value in (details or {}).items() if value is not None}
    connection.execute(
        insert(tenant_events).values(
            tenant=tenant,
            at=at,
            actor=actor.encode(),
            action=action,
            subject=subject,
            details=encode_canonical(dict(members), subject="an event").decode("utf-8"),
        )
    )


_COLUMNS = [tenant_events.c[name] for name in ("id", "at", "actor", "action", "subject", "details")]


def load_events(
    connection: Connection, tenant: str, limit: int, *, before: int | None = None
) -> list[TenantEvent]:
    """Return up to ``limit`` events of a tenant, newest first, below the id ``before``."""
    query = select(*_COLUMNS).where(tenant_events.c.tenant == tenant)
    if before is not None:
        query = query.where(tenant_events.c.id < before)
    rows = connection.execute(query.order_by(tenant_events.c.id.desc()).limit(limit))
    return [TenantEvent(**row._asdict()) for row in rows]


def load_subject_events(
    connection: Connection, tenant: str, subject: str, limit: int
) -> list[TenantEvent]:
    """Return the newest events about one thing, up to ``limit``, in their order."""
    query = select(*_COLUMNS).where(
        (tenant_events.c.tenant == tenant) & (tenant_events.c.subject == subject)
    )
    rows = connection.execute(query.order_by(tenant_events.c.id.desc()).limit(limit)).all()
    return [TenantEvent(**row._asdict()) for row in reversed(rows)]


def load_day(connection: Connection, tenant: str, day: str) -> list[TenantEvent]:
    """Return a tenant's events of a day (UTC), in the order of their ids."""
    at = tenant_events.c.at
    rows = connection.execute(
        select(*_COLUMNS)
        .where((tenant_events.c.tenant == tenant) & (at >= f"{day}T00") & (at < f"{day}T24"))
        .order_by(tenant_events.c.id)
    )
    return [TenantEvent(**row._asdict()) for row in rows]


def list_active_tenants(connection: Connection) -> list[str]:
    """Return the tenants that have events, by name."""
    query = select(tenant_events.c.tenant).distinct().order_by(tenant_events.c.tenant)
    return list(connection.execute(query).scalars())


def find_last_day(connection: Connection, tenant: str, end: str) -> str | None:
    """Return the last day before the day ``end`` on which a tenant has events, or None."""
    at = tenant_events.c.at
    query = select(func.max(at)).where((tenant_events.c.tenant == tenant) & (at < f"{end}T00"))
    last: str | None = connection.execute(query).scalar_one()
    return None if last is None else last[:10]
