"""Clocks: monotonic clocks for waiting, and the wall clock in the formats of the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock with ``sleep``, both in seconds."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


def utc_now() -> str:
    """Return the operator's current time as RFC 3339 text, the format of the store's columns."""
    return format_time(datetime.now(UTC))


def unix_now() -> float:
    """Return the operator's current time in Unix seconds."""
    return datetime.now(UTC).timestamp()


class SystemClock:
    """The machine's monotonic clock."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        time.sleep(seconds)


class Stopped(Exception):
    """Raised when the time for finishing the current work is over."""


@dataclass
class StoppableClock:
    """A clock that can be told to stop, by setting ``stopping``.

    Work under way may then continue to sleep for ``grace`` seconds from its next ``sleep`` on;
    after that, ``sleep`` raises ``Stopped``.  ``on_sleep`` is called before each ``sleep``.
    """

    clock: Clock
    grace: float
    stopping: Event = field(default_factory=Event)
    on_sleep: Callable[[], None] | None = None
    _deadline: float | None = None

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        if self.on_sleep is not None:
            self.on_sleep()
        if not self.stopping.is_set():
            self.clock.sleep(seconds)
            return
        if self._deadline is None:
            self._deadline = self.clock.monotonic() + self.grace
        if self.clock.monotonic() >= self._deadline:
            raise Stopped
        self.clock.sleep(seconds)


def format_time(instant: datetime) -> str:
    """Return a time as RFC 3339 text in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_unix_time(seconds: float) -> str:
    """Return a time in Unix seconds as ``format_time`` does."""
    return format_time(datetime.fromtimestamp(seconds, UTC))


def parse_time(text: str) -> float:
    """Return a time that ``format_time`` formatted in Unix seconds."""
    return datetime.fromisoformat(text).timestamp()
