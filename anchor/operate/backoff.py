"""How long to wait until what failed is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Seconds until the first try again; doubled each time, up to the longest.
_FIRST = 5.0
_LONGEST = 300.0
# So much longer at most, so that many who failed together do not all come back together.
_SPREAD = 0.25


@dataclass
class Backoff:
    """Waits that grow from failure to failure; ``jitter`` draws a number from 0 to 1 for each."""

    jitter: Callable[[], float]
    _next: float = _FIRST

    def next_wait(self, asked: float | None = None) -> float:
        """Return the seconds to wait now: never fewer than whoever refused ``asked`` for."""
        wait = max(self._next, asked or 0.0)
        self._next = min(2 * self._next, _LONGEST)
        return wait * (1 + _SPREAD * self.jitter())

    def reset(self) -> None:
        """Begin anew: it worked."""
        self._next = _FIRST
