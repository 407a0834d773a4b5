"""Readiness of the store: a committed test write, and detection of a replaced store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from anchor.base.errors import AnchorError, StoreReplacedError
from anchor.base.messages.message import Message
from anchor.service.problems import RETRY_LATER, Problem
from anchor.store.database import Database

_LOG = logging.getLogger("anchor.service")

# Seconds between two test writes, for any number of requests, and between two identity checks.
_PAUSE = 1.0
# Seconds that a request waits for the store.
_PATIENCE = 5.0


class Readiness:
    """A readiness check by test writes, and a poll for whether the store was replaced."""

    def __init__(
        self,
        database: Database,
        end_process: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the check; ``end_process`` is called once the store has been replaced."""
        self._database = database
        self._end_process = end_process
        self._clock = clock
        # Its own single thread: a hanging disk blocks only this check.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ready")
        self._trying: asyncio.Future[None] | None = None
        self._tried_at = 0.0
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start polling, in the running event loop."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Stop polling, without waiting for a write that hangs."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """Check that a test write, at most a second old, was committed."""
        trying = self._trying
        if trying is None or (trying.done() and self._clock() - self._tried_at >= _PAUSE):
            self._tried_at = self._clock()
            loop = asyncio.get_running_loop()
            trying = self._trying = loop.run_in_executor(self._thread, self._try)
            trying.add_done_callback(_note_retrieved)
        done, _ = await asyncio.wait({trying}, timeout=_PATIENCE)
        if not done:
            raise Problem(503, Message("service-store-too-slow"), headers=RETRY_LATER)
        trying.result()

    def _try(self) -> None:
        self._database.check_room(0)
        self._database.try_writing()

    async def _watch(self) -> None:
        """Poll whether the store is still the same, so that an idle worker notices, too."""
        while True:
            try:
                await asyncio.to_thread(self._database.check_same)
            except StoreReplacedError as error:
                _LOG.error(Message("service-process-ends", reason=error.message))
                self._end_process()
                return
            except (AnchorError, OSError):
                pass  # requests that use the store report it
            await asyncio.sleep(_PAUSE)


def _note_retrieved(trying: asyncio.Future[None]) -> None:
    """Mark the error of a test write as retrieved, which asyncio logs if no request waits."""
    if not trying.cancelled():
        trying.exception()
