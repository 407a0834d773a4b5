"""The time: the monotonic clocks that work waits by, and the wall clock as the store writes it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
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


class Stopped(Exception):
    """The time to finish what was going on is over."""


@dataclass
class StoppableClock:
    """A clock that can be told to stop: ``stopping`` set.

    Work that is under way then may go on sleeping for ``grace`` seconds from its next ``sleep`` on;
    after that ``sleep`` raises ``Stopped``.
    """

    clock: Clock
    grace: float
    stopping: Event = field(default_factory=Event)
    _deadline: float | None = None

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass.

        Raises:
            Stopped: as above.
        """
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
