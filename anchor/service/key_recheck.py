"""Rechecks of the API keys of long requests once a second, so that a revoked key ends them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from anchor.errors import AnchorError
from anchor.messages.message import Message
from anchor.service.problems import unauthorised
from anchor.store.api_keys import ApiKey

# Seconds between two rechecks; a revocation is detected within twice that.
_PAUSE = 1.0


class KeyLease:
    """A long request's use of its key, as of the newest recheck."""

    def __init__(self, key: ApiKey) -> None:
        self.key = key
        """The key as last loaded, with the tenant's limits of that time."""
        self.ended = asyncio.Event()
        """Set once the key is revoked or expired."""

    def check(self) -> None:
        """Check that the key is still valid.

        Raises:
            Problem: The key was revoked or has expired since the request began (401).
        """
        if self.ended.is_set():
            raise unauthorised(Message("request-key-ended"))


class KeyRecheck:
    """A task that rechecks the keys of a worker's long requests once a second, while it has any.

    If the store does not answer a recheck, the keys remain valid: a worker that cannot read the
    store cannot write to it either.
    """

    def __init__(
        self, load: Callable[[Iterable[str]], dict[str, ApiKey]], clock: Callable[[], str]
    ) -> None:
        """Create the task's state; ``load`` returns the keys with given ids, and may block."""
        self._load = load
        self._clock = clock
        self._leases: set[KeyLease] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def hold(self, key: ApiKey) -> Iterator[KeyLease]:
        """Recheck the key while the block runs."""
        lease = KeyLease(key)
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
        ids = {lease.key.id for lease in self._leases}
        keys = await asyncio.to_thread(self._load, ids)
        for lease in self._leases:
            if lease.key.id not in ids:
                continue  # registered during the recheck
            key = keys.get(lease.key.id)
            if key is None or not key.stands_at(self._clock()):
                lease.ended.set()
            else:
                lease.key = key
