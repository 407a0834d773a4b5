"""A clock that tests drive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class FastClock:
    """Sleeps by moving on; ``at`` says what happens when."""

    at: dict[float, Callable[[], object]] = field(default_factory=dict)
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for due in sorted(due for due in self.at if due <= self.now):
            self.at.pop(due)()
