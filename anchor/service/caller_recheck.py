"""Rechecks of the callers of long requests once a second, so that a revoked key ends them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.service.caller import Caller
from anchor.service.problems import unauthorised

# Seconds between two rechecks; a revocation is detected within twice that.
_PAUSE = 1.0


class CallerLease:
    """A long request's use of its key or session, as of the newest recheck."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        """The caller as last loaded, with the tenant's limits of that time."""
        self.ended = asyncio.Event()
        """Set once the key or session ended, or the person lost the role."""

    def check(self) -> None:
        """Check that the caller is still valid.

        Raises:
            Problem: The key or session ended since the request began (401).
        """
        if self.ended.is_set():
            raise unauthorised(Message("request-key-ended"))


class CallerRecheck:
    """A task that rechecks the callers of a worker's long requests once a second, while it has any.

    If the store does not answer a recheck, they remain valid: a worker that cannot read the
    store cannot write to it either.
    """

    def __init__(self, load: Callable[[Iterable[Caller]], dict[Caller, Caller]]) -> None:
        """Create the task's state; ``load`` returns the callers still valid, and may block."""
        self._load = load
        self._leases: set[CallerLease] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def hold(self, caller: Caller) -> Iterator[CallerLease]:
        """Recheck the caller while the block runs."""
        lease = CallerLease(caller)
        self._leases.add(lease)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            yield lease
        finally:
            self._leases.discard(lease)

    async def stop(self) -> None:
        """Stop rechecking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while self._leases:
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(AnchorError):
                await self._look()

    async def _look(self) -> None:
        asked = {lease.caller for lease in self._leases}
        valid = await asyncio.to_thread(self._load, asked)
        for lease in self._leases:
            if lease.caller not in asked:
                continue  # registered during the recheck
            if lease.caller in valid:
                lease.caller = valid[lease.caller]
            else:
                lease.ended.set()
