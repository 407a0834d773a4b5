"""How a process that works on and on is told to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

from anchor.system.clock import Clock


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
