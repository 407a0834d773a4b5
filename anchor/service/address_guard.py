"""A worker's block list, kept like the store's, and what it refused because of limits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.people.lifetimes import later
from anchor.service.address_limits import LimitedCounts
from anchor.service.block_list import BlockList
from anchor.store.blocked_networks import load_blocked
from anchor.store.database import Database
from anchor.store.limited_addresses import add_limited

_LOG = logging.getLogger("anchor.service")
# Seconds between two looks at the blocks; a change applies within twice that.
_PAUSE = 1.0
# Seconds for which an address that was limited is kept: it is personal data.
_KEPT = 7 * 86_400


class AddressGuard:
    """A task that reads the blocks, and writes the counts of limited addresses, once a second.

    While the store does not answer, the blocks stay as they were and the counts wait.
    """

    def __init__(
        self, database: Database, clock: Callable[[], str], end_process: Callable[[], None]
    ) -> None:
        """Create the guard; ``end_process`` is called if its task ends without being stopped."""
        self._database = database
        self._clock = clock
        self._end_process = end_process
        self._task: asyncio.Task[None] | None = None
        self.blocks = BlockList()
        self.limited = LimitedCounts()

    async def start(self) -> None:
        """Read the blocks, and go on in a background task."""
        with contextlib.suppress(AnchorError, OSError):
            await asyncio.to_thread(self.look)
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._note_end)

    async def stop(self) -> None:
        """Stop, after a last write of the counts."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(AnchorError, OSError):
            await asyncio.to_thread(self._write)

    def look(self) -> None:
        """Read the blocks."""
        with self._database.read() as connection:
            self.blocks = BlockList(load_blocked(connection, self._clock()))

    def _write(self) -> None:
        counts = self.limited.take()
        if not counts:
            return
        at = self._clock()
        try:
            self._database.write_with_retry(
                lambda connection: add_limited(
                    connection, counts, at=at, forget_before=later(at, -_KEPT)
                )
            )
        except BaseException:
            self.limited.give_back(counts)
            raise

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(AnchorError, OSError):
                await asyncio.to_thread(self.look)
                await asyncio.to_thread(self._write)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():  # a bug: blocks would be neither made nor ended any more
            _LOG.error(Message("address-guard-ended"), exc_info=task.exception())
            self._end_process()
