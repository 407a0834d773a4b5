"""Erasures that are ordered and not finished: for `doctor`, `status`, alarms and the dashboard."""

from __future__ import annotations

from anchor.base.errors import StorageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import parse_time
from anchor.store.database import Database
from anchor.store.erasures import find_unfinished

OVERDUE = 600.0
"""Seconds that an erasure may go unfinished: a running daemon takes a minute."""


def find_overdue(count: int, oldest: str | None, at: float) -> Message | None:
    """Return what to say of erasures that should have been finished at ``at``, in Unix seconds."""
    age = 0.0 if oldest is None else at - parse_time(oldest)
    return Message("alarm-erasures", count=count, minutes=age / 60) if age >= OVERDUE else None


def check_erasures(database: Database, at: float) -> Message:
    """Return how many erasures are not finished at ``at``, in Unix seconds."""
    with database.read() as connection:
        count, oldest = find_unfinished(connection)
    overdue = find_overdue(count, oldest, at)
    if overdue is not None:
        raise StorageError(overdue, hint=Message("alarm-erasures-hint"))
    return describe_unfinished(count, oldest)


def describe_unfinished(count: int, oldest: str | None) -> Message:
    """Return how many erasures are not finished, and since when."""
    if oldest is None:
        return Message("erasures-finished")
    return Message("erasures-ordered", count=count, time=oldest)
