"""A queue for proofs, which are public and slow to compute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from anchor.base.messages.message import Message
from anchor.service.problems import RETRY_LATER, Problem

T = TypeVar("T")

# A proof takes some milliseconds; a search through all tiles of a large log some seconds.
_MOST_IN_LINE = 8


class ProofQueue:
    """A single-threaded executor with at most 8 queued jobs; further requests get 503."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._in_line = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` after the jobs before it, and return its result.

        Raises:
            Problem: The queue is full (503).
        """
        if self._in_line >= _MOST_IN_LINE:
            raise Problem(503, Message("proof-queue-full"), headers=RETRY_LATER)
        self._in_line += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._in_line -= 1

    def close(self) -> None:
        """Finish the running job and drop the queued ones."""
        self._thread.shutdown(cancel_futures=True)
