"""Announcements: events noted in the transaction that makes the change, for messages made later.

Each orders a job with it, so that neither exists without the other.  Nothing is noted where nobody
could be told: in a log without tenants, or in a tenant with neither people nor webhooks.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from anchor.base.canonical import JsonValue, encode_canonical
from anchor.base.types import ChainId
from anchor.notifications.event_types import NotificationType, parse_notification_type
from anchor.store.heads import AnchoredHead, newest_final_anchor
from anchor.store.jobs import order_job
from anchor.store.schema import announcements, memberships, webhooks

ANNOUNCEMENT_JOB = "announcement"
"""The kind of the jobs that make messages of announcements; a job is about an announcement's id."""

_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """An event of a tenant, or of all whose evidence became final if ``tenant`` is None."""

    id: str
    tenant: str | None
    at: str
    event: NotificationType
    data: Mapping[str, JsonValue]


def announce(
    connection: Connection,
    tenant: str,
    event: NotificationType,
    data: Mapping[str, JsonValue],
    *,
    at: str,
) -> None:
    """Note an event of a tenant in the transaction that makes the change."""
    is_theirs = webhooks.c.tenant == tenant, memberships.c.tenant == tenant
    if _has_listeners(connection, *is_theirs):
        _insert(connection, tenant, event, data, at)


def announce_final(connection: Connection, chain_id: ChainId, anchored: AnchoredHead) -> None:
    """Note, in the transaction that stores a final anchor, which evidence is final by it.

    That is what no other final anchor covers: an older head may become final after a newer one.
    """
    size, at = anchored.head.size, anchored.final_at
    any_one = webhooks.c.tenant.is_not(None), memberships.c.tenant.is_not(None)
    newest = newest_final_anchor(connection, chain_id)
    is_newest = newest is not None and newest.head.size == size
    if at is None or not is_newest or not _has_listeners(connection, *any_one):
        return
    before = newest_final_anchor(connection, chain_id, below=size)
    since = 0 if before is None else before.head.size
    _insert(connection, None, "evidence.final", {"since": since, "size": size}, at)


def list_listening_tenants(connection: Connection) -> set[str]:
    """Return the tenants in which somebody could be told."""
    theirs = select(webhooks.c.tenant).where(webhooks.c.disabled_at.is_(None))
    query = theirs.union(select(memberships.c.tenant))
    return set(connection.execute(query).scalars())


def find_announcement(connection: Connection, id: str) -> Announcement | None:
    """Return the announcement with this id; None if messages were made of it."""
    row = connection.execute(select(announcements).where(announcements.c.id == id)).one_or_none()
    event = None if row is None else parse_notification_type(row.event)
    if row is None or event is None:
        return None
    return Announcement(
        id=row.id, tenant=row.tenant, at=row.at, event=event, data=json.loads(row.data)
    )


def remove_announcement(connection: Connection, id: str) -> None:
    """Delete an announcement of which messages are made in this transaction."""
    connection.execute(delete(announcements).where(announcements.c.id == id))


def _has_listeners(
    connection: Connection, webhook: ColumnElement[bool], membership: ColumnElement[bool]
) -> bool:
    queries = (
        select(webhooks.c.id).where(webhook & webhooks.c.disabled_at.is_(None)).limit(1),
        select(memberships.c.person).where(membership).limit(1),
    )
    return any(connection.execute(query).first() is not None for query in queries)


def _insert(
    connection: Connection,
    tenant: str | None,
    event: NotificationType,
    data: Mapping[str, JsonValue],
    at: str,
) -> None:
    id = secrets.token_hex(_ID_BYTES)
    members: dict[str, JsonValue] = {
        name: value for name, value in data.items() if value is not None
    }
    encoded = encode_canonical(members, subject="an announcement").decode("utf-8")
    connection.execute(
        insert(announcements).values(id=id, tenant=tenant, at=at, event=event, data=encoded)
    )
    order_job(connection, ANNOUNCEMENT_JOB, id, due_at=at)
