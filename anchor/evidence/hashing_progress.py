"""Progress of hashing: files and bytes, the rate, and the time left once the total is known."""

from __future__ import annotations

import time
from collections.abc import Callable


class HashingProgress:
    """Counts what was hashed; a call with files and bytes adds them."""

    def __init__(
        self,
        show: Callable[[HashingProgress], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Call ``show`` after each change; the rate is the mean from now on."""
        self._show = show
        self._monotonic = monotonic
        self._began = monotonic()
        self._total: tuple[int, int] | None = None
        self.files = 0
        self.size = 0

    def __call__(self, files: int, size: int) -> None:
        """Count files and bytes that were hashed."""
        self.files += files
        self.size += size
        self._show(self)

    def expect(self, files: int, size: int) -> None:
        """Set the total; an unknown one is zero, and another thread may tell it."""
        self._total = files, size

    @property
    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return self._monotonic() - self._began

    @property
    def total_size(self) -> int | None:
        """Return the bytes of all files, as far as they are known."""
        return self._total[1] or None if self._total else None

    @property
    def rate(self) -> float:
        """Return bytes a second."""
        return self.size / self.elapsed if self.elapsed else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest takes at the pace so far; None if the total is unknown.

        Small files cost by their number and large ones by their bytes: the longer time counts.
        """
        if self._total is None:
            return None
        shares = [
            (total - done) / done
            for total, done in zip(self._total, (self.files, self.size), strict=True)
            if done
        ]
        return max(0.0, *shares) * self.elapsed if shares else None
