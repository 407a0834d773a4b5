"""The time: a monotonic clock that work waits by, and the wall clock as the store writes it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, and a way to let some pass."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


def utc_now() -> str:
    """Return the operator's clock as RFC 3339 text, for the store's own columns."""
    return format_time(datetime.now(UTC))


def unix_now() -> float:
    """Return the operator's clock in Unix seconds."""
    return datetime.now(UTC).timestamp()


class SystemClock:
    """The machine's monotonic clock."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        time.sleep(seconds)


def format_time(instant: datetime) -> str:
    """Return a time as RFC 3339 text in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
