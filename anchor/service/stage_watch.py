"""A poll of the store for the log's progress, shared by all requests that wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.monitor.log_progress import LogProgress, load_log_progress
from anchor.project.project import OpenProject
from anchor.store.heads import newest_final_anchor
from anchor.store.incidents import Incident, load_open_incidents

_LOG = logging.getLogger("anchor.service")
# Seconds between two polls: while a request waits, and otherwise.
_POLL = 0.25
_IDLE_POLL = 1.0


class StageWatch:
    """A task that polls the store and wakes the requests that wait for progress."""

    def __init__(
        self,
        project: OpenProject,
        end_process: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the watch; ``end_process`` is called if the task ends without being stopped."""
        self._end_process = end_process
        self._project = project
        self._changed = asyncio.Event()
        self._waiters = 0
        self._task: asyncio.Task[None] | None = None
        self.reach = LogProgress(waiting=0, sealed=0, submitted=0, included=0, anchored=0)
        self.incidents: tuple[Incident, ...] = ()
        """The open incidents, the largest head first."""
        self.anchored_at: int | None = None
        """The time of the newest final anchor's block."""

    async def start(self) -> None:
        """Poll once, then continue in a background task."""
        with contextlib.suppress(AnchorError, OSError):
            await self._look()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._note_end)

    async def stop(self) -> None:
        """Stop polling, and wake all waiting requests."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._changed.set()

    def next_change(self) -> asyncio.Event:
        """Return the event that is set at the next progress of the log.

        A caller that takes the event before it reads the store misses no later progress.
        """
        return self._changed

    async def wait(self, changed: asyncio.Event, seconds: float) -> bool:
        """Wait at most ``seconds`` for a change; return whether it came."""
        self._waiters += 1
        try:
            await asyncio.wait_for(changed.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._waiters -= 1
        return True

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():  # its last result would be used for ever
            _LOG.error(Message("store-watch-ended"))
            self._end_process()

    async def _run(self) -> None:
        while True:
            started = time.monotonic()
            try:
                await self._look()
            except (AnchorError, OSError) as error:
                _LOG.warning(Message("store-watch-failed", reason=error))
            pause = _POLL if self._waiters else _IDLE_POLL
            while time.monotonic() - started < pause:
                await asyncio.sleep(_POLL / 2)
                pause = _POLL if self._waiters else _IDLE_POLL

    def _load(self) -> tuple[LogProgress, tuple[Incident, ...], int | None]:
        reach = load_log_progress(self._project)
        chain_id = self._project.config.chain_id
        with self._project.database.read() as connection:
            final = newest_final_anchor(connection, chain_id)
            incidents = tuple(load_open_incidents(connection, chain_id))
        return reach, incidents, None if final is None else final.timestamp

    async def _look(self) -> None:
        before = self.reach, self.incidents
        self.reach, self.incidents, self.anchored_at = await asyncio.to_thread(self._load)
        if (self.reach, self.incidents) != before:
            # Requests that begin to wait from now on wait for the next change.
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
