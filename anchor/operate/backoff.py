"""How long to wait until what failed is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# So much longer at most, so that many who failed together do not all come back together.
_SPREAD = 0.25


@dataclass
class Backoff:
    """Waits that grow from failure to failure; ``jitter`` draws a number from 0 to 1 for each.

    ``first`` are the seconds until the first try again, doubled each time up to ``longest``.
    """

    jitter: Callable[[], float]
    first: float = 5.0
    longest: float = 300.0
    _next: float = 0.0

    def next_wait(self, asked: float | None = None) -> float:
        """Return the seconds to wait now: never fewer than whoever refused ``asked`` for."""
        wait = max(self._next, self.first)
        self._next = min(2 * wait, self.longest)
        return max(wait, asked or 0.0) * (1 + _SPREAD * self.jitter())

    def reset(self) -> None:
        """Begin anew: it worked."""
        self._next = 0.0
