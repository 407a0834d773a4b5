"""Waiting times between attempts after failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Largest random extension of a wait, so that clients that failed together do not retry together.
_SPREAD = 0.25


@dataclass
class Backoff:
    """Waits that grow with each failure; ``jitter`` draws a number from 0 to 1 for each.

    ``first`` is the wait in seconds before the first retry, doubled each time up to ``longest``.
    """

    jitter: Callable[[], float]
    first: float = 5.0
    longest: float = 300.0
    _next: float = 0.0

    def next_wait(self, asked: float | None = None) -> float:
        """Return the seconds to wait now: at least ``asked``, which a refusing server requested."""
        wait = max(self._next, self.first)
        self._next = min(2 * wait, self.longest)
        return max(wait, asked or 0.0) * (1 + _SPREAD * self.jitter())

    def reset(self) -> None:
        """Start again with the first wait, after a success."""
        self._next = 0.0
