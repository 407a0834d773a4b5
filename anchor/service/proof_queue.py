"""Work that anybody may ask for and that takes a while: one piece at a time, few in line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from anchor.service.problems import Problem

T = TypeVar("T")

# Each takes some milliseconds; a search through all tiles of a large log some seconds.
_MOST_IN_LINE = 8
_RETRY_AFTER = "5"


class ProofQueue:
    """One thread for such work, so that whoever asks for much of it keeps nobody else waiting."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._in_line = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in its turn.

        Raises:
            Problem: too much is in line already (503).
        """
        if self._in_line >= _MOST_IN_LINE:
            raise Problem(
                503, "too many ask for proofs just now", headers={"Retry-After": _RETRY_AFTER}
            )
        self._in_line += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._in_line -= 1

    def close(self) -> None:
        """Finish what is under way."""
        self._thread.shutdown(cancel_futures=True)
