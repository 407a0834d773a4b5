"""Deliveries: each message to one webhook or person, from its making until it is settled.

A delivery and the job that tries it are made in one transaction.  Of each webhook the newest
hundred settled ones are kept for its owners; a delivered e-mail leaves nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, delete, func, insert, literal_column, select, update

from anchor.notifications.event_types import (
    NotificationType,
    is_told_by_mail,
    parse_notification_type,
)
from anchor.people.lifetimes import later
from anchor.people.roles import parse_role
from anchor.store.announcements import Announcement, remove_announcement
from anchor.store.jobs import order_job
from anchor.store.mail_confirmations import IS_TOLD
from anchor.store.schema import (
    announcements,
    deliveries,
    mail_choices,
    memberships,
    people,
    webhooks,
)
from anchor.store.webhooks import Webhook, note_failure, note_success, parse_webhook

WEBHOOK_JOB, MAIL_JOB = "webhook", "mail"
"""The kinds of the jobs that try deliveries; a job is about a message's id."""

MOST_KEPT = 100
"""How many settled deliveries of a webhook are kept, and how many are shown."""

DeliveryState: TypeAlias = Literal["waiting", "delivered", "failed"]
Trouble: TypeAlias = Literal[
    "name", "private", "connection", "tls", "time", "redirect", "length", "status",
    "disabled", "address", "refused", "secret",
]  # fmt: skip
"""Why an attempt failed, in a word that interfaces put into sentences."""

_ID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message to a webhook or a person; ``message`` is the id that the receiver sees."""

    message: str
    tenant: str
    webhook: str | None
    person: str | None
    event: NotificationType
    body: str
    made_at: str
    begun_at: str
    state: DeliveryState
    attempts: int
    tried_at: str | None
    due_at: str | None
    status: int | None
    trouble: Trouble | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """What became of an attempt: delivered if ``trouble`` is None.

    ``due_at`` is when the next one is; None if this was the last.
    """

    at: str
    trouble: Trouble | None
    status: int | None = None
    due_at: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """How many deliveries wait, how many of these failed before, and how many were given up."""

    waiting: int
    failing: int
    given_up: int


NO_DELIVERIES = DeliveryCounts(waiting=0, failing=0, given_up=0)


def settle_announcement(
    connection: Connection,
    announcement: Announcement,
    bodies: Mapping[str, str],
    at: str,
    *,
    has_mail: bool,
) -> None:
    """Make the deliveries of an announcement instead of it; ``bodies`` are messages by tenant.

    E-mails that were given up a month ago are deleted.
    """
    remove_announcement(connection, announcement.id)
    for tenant, body in sorted(bodies.items()):
        _make_deliveries(connection, tenant, announcement.event, body, at, has_mail=has_mail)
    is_mail = deliveries.c.person.is_not(None) & (deliveries.c.state == "failed")
    before = later(at, -_MAIL_KEPT)
    connection.execute(delete(deliveries).where(is_mail & (deliveries.c.tried_at < before)))


def _make_deliveries(
    connection: Connection,
    tenant: str,
    event: NotificationType,
    body: str,
    at: str,
    *,
    has_mail: bool,
) -> None:
    """Make a delivery of a message to each webhook and person of a tenant that is to be told."""
    # A webhook's row is shared, so that it cannot be removed before this transaction ends.
    chosen = connection.execute(
        select(webhooks.c.id, webhooks.c.events)
        .where((webhooks.c.tenant == tenant) & webhooks.c.disabled_at.is_(None))
        .with_for_update(read=True, key_share=True)
    )
    for row in chosen.all():
        if event in row.events.split():
            _prune(connection, row.id)
            _insert(connection, tenant, event, body, at, webhook=row.id)
    if has_mail:
        for person in _find_told(connection, tenant, event):
            _insert(connection, tenant, event, body, at, person=person)


def find_delivery(connection: Connection, message: str) -> Delivery | None:
    """Return the delivery of a message; None if there is none any more."""
    query = select(*_COLUMNS).where(deliveries.c.message == message)
    row = connection.execute(query).one_or_none()
    return None if row is None else _parse(row)


def find_with_webhook(connection: Connection, message: str) -> tuple[Delivery, Webhook] | None:
    """Return the delivery of a message to a webhook, and the webhook."""
    delivery = find_delivery(connection, message)
    if delivery is None:
        return None
    query = select(webhooks).where(webhooks.c.id == delivery.webhook)
    row = connection.execute(query).one_or_none()
    return None if row is None else (delivery, parse_webhook(row))


def load_deliveries(connection: Connection, webhook: str) -> list[Delivery]:
    """Return a webhook's newest deliveries, newest first."""
    rows = connection.execute(
        select(*_COLUMNS)
        .where(deliveries.c.webhook == webhook)
        .order_by(deliveries.c.number.desc())
        .limit(MOST_KEPT)
    )
    return [_parse(row) for row in rows]


def has_delivery(connection: Connection, webhook: str, message: str) -> bool:
    """Return whether this message was made for this webhook."""
    named = (deliveries.c.webhook == webhook) & (deliveries.c.message == message)
    return connection.execute(select(deliveries.c.message).where(named)).first() is not None


def send_again(connection: Connection, webhook: str, message: str, at: str) -> bool:
    """Try a settled delivery again, with the same id; return False if it is unknown or waits."""
    settled = (deliveries.c.message == message) & (deliveries.c.state != "waiting")
    values = {"state": "waiting", "begun_at": at, "due_at": None, "attempts": 0}
    query = update(deliveries).where(settled & (deliveries.c.webhook == webhook)).values(**values)
    if connection.execute(query).rowcount != 1:
        return False
    order_job(connection, WEBHOOK_JOB, message, due_at=at)
    return True


def save_attempt(connection: Connection, delivery: Delivery, attempt: DeliveryAttempt) -> None:
    """Record what became of an attempt, with what follows from it for the webhook."""
    is_done, is_last = attempt.trouble is None, attempt.due_at is None
    # The webhook first, in the order in which it is locked everywhere.
    if delivery.webhook is not None and is_done:
        note_success(connection, delivery.webhook)
    elif delivery.webhook is not None and attempt.trouble != "disabled":
        is_gone = attempt.trouble == "status" and attempt.status == _GONE
        note_failure(connection, delivery.tenant, delivery.webhook, attempt.at, is_gone=is_gone)
    row = deliveries.c.message == delivery.message
    if is_done and delivery.person is not None:
        connection.execute(delete(deliveries).where(row))
        return
    state: DeliveryState = "delivered" if is_done else "failed" if is_last else "waiting"
    values = {
        "state": state,
        "attempts": delivery.attempts + 1,
        "tried_at": attempt.at,
        "due_at": attempt.due_at,
        "status": attempt.status,
        "trouble": attempt.trouble,
    }
    connection.execute(update(deliveries).where(row).values(**values))


def count_deliveries(connection: Connection, since: str) -> DeliveryCounts:
    """Count the deliveries that wait, those of them that failed, and those given up since then."""
    # Literals: with bound parameters, SQLite would not use the partial indexes.
    is_waiting = deliveries.c.state == literal_column("'waiting'")
    waiting, failing = (
        connection.execute(select(func.count()).where(is_waiting & condition)).scalar_one()
        for condition in (deliveries.c.attempts >= 0, deliveries.c.attempts > 0)
    )
    failed = (deliveries.c.state == literal_column("'failed'")) & (deliveries.c.tried_at >= since)
    given_up = connection.execute(select(func.count()).where(failed)).scalar_one()
    return DeliveryCounts(waiting, failing, given_up)


def forget_in_messages(connection: Connection, identities: Collection[bytes]) -> None:
    """Blank the ids of erased evidence in messages and announcements, sent or not."""
    erased = {identity.hex() for identity in identities}
    for table, key, column in (
        (deliveries, deliveries.c.message, deliveries.c.body),
        (announcements, announcements.c.id, announcements.c.data),
    ):
        for id, text in connection.execute(select(key, column)).all():
            blanked = _HEX.sub(lambda named: _BLANK if named[0] in erased else named[0], text)
            if blanked != text:
                connection.execute(update(table).where(key == id).values({column: blanked}))


# RFC 9110, 15.5.11: the receiver wants nothing more.
_GONE = 410
_HEX = re.compile("[0-9a-f]{64}")
_BLANK = "0" * 64
# Seconds for which an e-mail that was given up is kept, for the operator's figures.
_MAIL_KEPT = 30 * 86_400
_COLUMNS = [column for column in deliveries.c if column is not deliveries.c.number]


def _find_told(connection: Connection, tenant: str, event: NotificationType) -> Iterable[str]:
    """Return the persons who get an e-mail: only to addresses that are confirmed."""
    rows = connection.execute(
        select(memberships.c.person, memberships.c.role, mail_choices.c.topics)
        .join(people, people.c.id == memberships.c.person)
        .join(mail_choices, mail_choices.c.person == people.c.id, isouter=True)
        .where((memberships.c.tenant == tenant) & IS_TOLD)
    )
    for row in rows.all():
        chosen = None if row.topics is None else row.topics.split()
        if is_told_by_mail(parse_role(row.role), event, chosen):
            yield row.person


def _insert(
    connection: Connection,
    tenant: str,
    event: NotificationType,
    body: str,
    at: str,
    *,
    webhook: str | None = None,
    person: str | None = None,
) -> None:
    message = f"msg_{secrets.token_hex(_ID_BYTES)}"
    connection.execute(
        insert(deliveries).values(
            message=message,
            tenant=tenant,
            webhook=webhook,
            person=person,
            event=event,
            body=body,
            made_at=at,
            begun_at=at,
            state="waiting",
            attempts=0,
        )
    )
    order_job(connection, MAIL_JOB if webhook is None else WEBHOOK_JOB, message, due_at=at)


def _prune(connection: Connection, webhook: str) -> None:
    """Delete a webhook's settled deliveries that are older than its newest ones."""
    theirs = deliveries.c.webhook == webhook
    newest = select(deliveries.c.number).where(theirs).order_by(deliveries.c.number.desc())
    oldest = connection.execute(newest.offset(MOST_KEPT - 1).limit(1)).scalar()
    if oldest is not None:
        settled = theirs & (deliveries.c.number <= oldest) & (deliveries.c.state != "waiting")
        connection.execute(delete(deliveries).where(settled))


def _parse(row: Row[Any]) -> Delivery:
    event = parse_notification_type(row.event)
    assert event is not None, "only known events are stored"
    return Delivery(**row._asdict() | {"event": event})
