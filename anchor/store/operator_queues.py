"""Jobs and deliveries of all tenants, and the room they take, for the operator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, literal_column, select, text, update

from anchor.notifications.event_types import NotificationType, parse_notification_type
from anchor.store.deliveries import MAIL_JOB, WEBHOOK_JOB, DeliveryState, Trouble
from anchor.store.jobs import order_job
from anchor.store.schema import deliveries, jobs

MOST_LISTED = 100
"""The most failing jobs or deliveries that are listed, newest first."""

_OF_DELIVERIES = (WEBHOOK_JOB, MAIL_JOB)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCount:
    """The jobs of a kind: how many there are, how many of them failed before, the oldest's time."""

    kind: str
    waiting: int
    due: int
    failing: int
    due_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingJob:
    """A job that failed at least once and is tried again at ``due_at``.

    ``trouble`` is why it failed last, by language; None if that was not written down.
    """

    id: int
    kind: str
    about: str
    failures: int
    due_at: str
    trouble: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledDelivery:
    """A message that failed at least once: it waits for its next attempt, or was given up.

    Its text and its receiver's address are not for the operator.
    """

    message: str
    tenant: str
    is_mail: bool
    event: NotificationType
    made_at: str
    state: DeliveryState
    attempts: int
    tried_at: str | None
    due_at: str | None
    status: int | None
    trouble: Trouble | None


def count_jobs(connection: Connection, at: str) -> list[JobCount]:
    """Count the jobs by kind."""
    rows = connection.execute(
        select(
            jobs.c.kind,
            func.count().label("waiting"),
            func.count().filter(jobs.c.due_at <= at).label("due"),
            func.count().filter(jobs.c.failures > 0).label("failing"),
            func.min(jobs.c.due_at).label("due_at"),
        )
        .group_by(jobs.c.kind)
        .order_by(jobs.c.kind)
    )
    return [JobCount(**row._asdict()) for row in rows]


def load_failing_jobs(connection: Connection) -> list[FailingJob]:
    """Return jobs that failed, except those of deliveries, which are listed as such."""
    rows = connection.execute(
        select(*(jobs.c[name] for name in ("id", "kind", "about", "failures", "due_at", "trouble")))
        .where((jobs.c.failures > 0) & jobs.c.kind.not_in(_OF_DELIVERIES))
        .order_by(jobs.c.id.desc())
        .limit(MOST_LISTED)
    )
    return [
        FailingJob(**row._asdict() | {"trouble": row.trouble and json.loads(row.trouble)})
        for row in rows
    ]


def hasten_job(connection: Connection, id: int, at: str) -> bool:
    """Try a failing job now instead of later; return False if there is none with this id."""
    is_failing = (jobs.c.id == id) & (jobs.c.failures > 0)
    return connection.execute(update(jobs).where(is_failing).values(due_at=at)).rowcount == 1


def load_troubled(connection: Connection) -> list[TroubledDelivery]:
    """Return the messages that failed: those given up, and those that wait for another attempt."""
    waits = (deliveries.c.state == literal_column("'waiting'")) & (deliveries.c.attempts > 0)
    names = (
        "message", "tenant", "event", "made_at", "state", "attempts", "tried_at", "due_at",
        "status", "trouble",
    )  # fmt: skip
    rows = connection.execute(
        select(
            *(deliveries.c[name] for name in names),
            deliveries.c.person.is_not(None).label("is_mail"),
        )
        .where(waits | (deliveries.c.state == literal_column("'failed'")))
        .order_by(deliveries.c.number.desc())
        .limit(MOST_LISTED)
    )
    troubled = []
    for row in rows:
        event = parse_notification_type(row.event)
        assert event is not None, "only known events are stored"
        known = {"event": event, "is_mail": bool(row.is_mail)}
        troubled.append(TroubledDelivery(**row._asdict() | known))
    return troubled


def redeliver(connection: Connection, message: str, at: str) -> bool:
    """Send a message that failed now, under the same id; return False if there is none."""
    troubled = _lock_troubled(connection, message)
    if troubled is None:
        return False
    state, is_mail = troubled
    if state == "failed":
        values = {"state": "waiting", "begun_at": at, "due_at": None, "attempts": 0}
        connection.execute(
            update(deliveries).where(deliveries.c.message == message).values(**values)
        )
    # One that was given up by hand may have its job still.
    its_job = jobs.c.kind.in_(_OF_DELIVERIES) & (jobs.c.about == message)
    if connection.execute(update(jobs).where(its_job).values(due_at=at)).rowcount == 0:
        kind = MAIL_JOB if is_mail else WEBHOOK_JOB
        order_job(connection, kind, message, due_at=at)
    return True


def give_up(connection: Connection, message: str) -> bool:
    """Give a message up that failed and waits; return False if there is none.

    Its job then has nothing to send, and ends.
    """
    troubled = _lock_troubled(connection, message)
    if troubled is None or troubled[0] != "waiting":
        return False
    values = {"state": "failed", "due_at": None}
    connection.execute(update(deliveries).where(deliveries.c.message == message).values(**values))
    return True


def measure_tables(connection: Connection) -> dict[str, int]:
    """Return the bytes of each table with its indexes, or of a SQLite database as a whole."""
    if connection.dialect.name == "postgresql":
        rows = connection.execute(_TABLE_BYTES)
        return {row.name: int(row.bytes) for row in rows}
    pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    return {"database": int(pages) * int(connection.execute(text("PRAGMA page_size")).scalar_one())}


_TABLE_BYTES = text(
    "SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class "
    "WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace "
    "ORDER BY bytes DESC, name"
)


def _lock_troubled(connection: Connection, message: str) -> tuple[str, bool] | None:
    """Return the state of a message that failed at least once, and whether it is an e-mail."""
    failed = (deliveries.c.attempts > 0) | (deliveries.c.state == "failed")
    row = connection.execute(
        select(deliveries.c.state, deliveries.c.person)
        .where((deliveries.c.message == message) & (deliveries.c.state != "delivered") & failed)
        .with_for_update()
    ).one_or_none()
    return None if row is None else (row.state, row.person is not None)
