"""A limit on how many bytes a second are read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache


class BandwidthLimit:
    """Shared by the threads of a process; each ``take`` waits until its bytes have been allowed."""

    def __init__(
        self,
        rate: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Allow ``rate`` bytes a second."""
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._allowed = monotonic()

    def take(self, count: int) -> None:
        """Wait until ``count`` more bytes keep to the rate; an idle time allows no more later."""
        with self._lock:
            current_time = self._monotonic()
            self._allowed = max(self._allowed, current_time) + count / self._rate
            wait = self._allowed - current_time
        if wait > 0:
            self._sleep(wait)


@cache
def share_limit(rate: float) -> BandwidthLimit:
    """Return this process's limit of ``rate`` bytes a second."""
    return BandwidthLimit(rate)
