"""Webhooks: the addresses at which a tenant wants to be told, and their secrets."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.notifications.event_types import NotificationType, parse_notification_type
from anchor.notifications.retries import is_given_up
from anchor.notifications.webhook_signature import ROTATION_SECONDS
from anchor.people.actors import Actor
from anchor.people.lifetimes import later
from anchor.store.announcements import announce
from anchor.store.schema import deliveries, tenants, webhooks
from anchor.store.tenant_events import Action, note_tenant_event

MAX_WEBHOOKS = 20
"""The most webhooks of a tenant."""

_ID_BYTES = 8
_SERVICE = Actor("service", "deliveries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook; its repr shows no secret."""

    id: str
    tenant: str
    url: str
    events: tuple[NotificationType, ...]
    secret: str = field(repr=False)
    former_secret: str | None = field(repr=False)
    former_until: str | None
    made_by: str
    made_at: str
    failing_since: str | None
    disabled_at: str | None

    @property
    def host(self) -> str:
        """Return its host: the rest of the URL may hold a secret of the receiver."""
        return urlsplit(self.url).hostname or ""

    def secrets_at(self, at: str) -> tuple[str, ...]:
        """Return the stored secrets that sign messages: after a rotation, for a day, two."""
        if self.former_secret is None or self.former_until is None or at >= self.former_until:
            return (self.secret,)
        return (self.secret, self.former_secret)


def create_webhook(
    connection: Connection,
    tenant: str,
    url: str,
    events: Sequence[NotificationType],
    actor: Actor,
    at: str,
    *,
    secret: str,
) -> Webhook:
    """Create a webhook of an existing tenant, with a secret as it is to be stored."""
    # Others that make one wait until this transaction ends.
    connection.execute(
        select(tenants.c.name).where(tenants.c.name == tenant).with_for_update()
    ).first()
    count = select(func.count()).select_from(webhooks).where(webhooks.c.tenant == tenant)
    if connection.execute(count).scalar_one() >= MAX_WEBHOOKS:
        raise UsageError(Message("webhooks-too-many", limit=MAX_WEBHOOKS))
    webhook = Webhook(
        id=secrets.token_hex(_ID_BYTES),
        tenant=tenant,
        url=url,
        events=tuple(events),
        secret=secret,
        former_secret=None,
        former_until=None,
        made_by=actor.encode(),
        made_at=at,
        failing_since=None,
        disabled_at=None,
    )
    values = {each.name: getattr(webhook, each.name) for each in fields(webhook)}
    connection.execute(insert(webhooks).values(**values | {"events": " ".join(events)}))
    _note(connection, webhook, actor, "webhook-created", at)
    return webhook


def load_webhooks(connection: Connection, tenant: str) -> list[Webhook]:
    """Return a tenant's webhooks, oldest first."""
    rows = connection.execute(
        select(webhooks)
        .where(webhooks.c.tenant == tenant)
        .order_by(webhooks.c.made_at, webhooks.c.id)
    )
    return [parse_webhook(row) for row in rows]


def find_webhook(connection: Connection, tenant: str, id: str) -> Webhook | None:
    """Return a tenant's webhook; None if the tenant has none with this id."""
    row = connection.execute(select(webhooks).where(_is_theirs(tenant, id))).one_or_none()
    return None if row is None else parse_webhook(row)


def change_webhook(
    connection: Connection,
    tenant: str,
    id: str,
    actor: Actor,
    at: str,
    *,
    url: str,
    events: Sequence[NotificationType],
) -> bool:
    """Give a webhook another URL and other events, and enable it if it is disabled.

    Returns False if the tenant has none with this id.
    """
    values = {
        "url": url,
        "events": " ".join(events),
        "failing_since": None,
        "disabled_at": None,
    }
    return _update(connection, tenant, id, values, actor, "webhook-changed", at)


def rotate_secret(
    connection: Connection, tenant: str, id: str, actor: Actor, at: str, *, secret: str
) -> bool:
    """Give a webhook a new stored secret; return False if the tenant has none with this id.

    For a day, messages are signed with the former one, too.
    """
    values = {
        "secret": secret,
        "former_secret": webhooks.c.secret,
        "former_until": later(at, ROTATION_SECONDS),
    }
    return _update(connection, tenant, id, values, actor, "webhook-secret-rotated", at)


def remove_webhook(connection: Connection, tenant: str, id: str, actor: Actor, at: str) -> bool:
    """Delete a webhook with its deliveries; return False if the tenant has none with this id."""
    # First, so that no delivery to it can be made meanwhile.
    connection.execute(select(webhooks.c.id).where(_is_theirs(tenant, id)).with_for_update())
    webhook = find_webhook(connection, tenant, id)
    if webhook is None:
        return False
    connection.execute(delete(deliveries).where(deliveries.c.webhook == id))
    connection.execute(delete(webhooks).where(webhooks.c.id == id))
    _note(connection, webhook, actor, "webhook-removed", at)
    return True


def note_success(connection: Connection, id: str) -> None:
    """Note that a delivery to a webhook succeeded."""
    failing = (webhooks.c.id == id) & webhooks.c.failing_since.is_not(None)
    connection.execute(update(webhooks).where(failing).values(failing_since=None))


def note_failure(connection: Connection, tenant: str, id: str, at: str, *, is_gone: bool) -> bool:
    """Note that a delivery to a webhook failed; return whether it is disabled now.

    It is if no delivery succeeded for as long as a message is tried, or the receiver says that it
    is gone; the tenant is told.  Deliveries to a disabled webhook end as failed when they are due.
    """
    webhook = find_webhook(connection, tenant, id)
    if webhook is None or webhook.disabled_at is not None:
        return webhook is not None
    since = webhook.failing_since or at
    is_over = is_gone or is_given_up(since, at)
    values = {"failing_since": since, "disabled_at": at if is_over else None}
    connection.execute(update(webhooks).where(webhooks.c.id == id).values(**values))
    if is_over:
        _note(connection, webhook, _SERVICE, "webhook-disabled", at)
        data = {"webhook": id, "host": webhook.host, "failing_since": since}
        announce(connection, tenant, "webhook.disabled", data, at=at)
    return is_over


def _update(
    connection: Connection,
    tenant: str,
    id: str,
    values: dict[str, Any],
    actor: Actor,
    action: Action,
    at: str,
) -> bool:
    connection.execute(update(webhooks).where(_is_theirs(tenant, id)).values(**values))
    webhook = find_webhook(connection, tenant, id)
    if webhook is not None:
        _note(connection, webhook, actor, action, at)
    return webhook is not None


def _is_theirs(tenant: str, id: str) -> ColumnElement[bool]:
    return (webhooks.c.tenant == tenant) & (webhooks.c.id == id)


def _note(connection: Connection, webhook: Webhook, actor: Actor, action: Action, at: str) -> None:
    details = {"events": " ".join(webhook.events), "host": webhook.host}
    note_tenant_event(
        connection, webhook.tenant, actor, action, at=at, subject=webhook.id, details=details
    )


def parse_webhook(row: Row[Any]) -> Webhook:
    """Return the webhook in a row of ``webhooks``."""
    values = row._asdict()
    events = map(parse_notification_type, values.pop("events").split())
    return Webhook(events=tuple(event for event in events if event is not None), **values)
