"""A request's body as it arrives, for requests that take long: submissions in bulk, uploads."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Message as AsgiMessage
from starlette.types import Receive

from anchor.base.messages.message import Message
from anchor.service.caller_recheck import CallerLease
from anchor.service.problems import Problem


class ClientGone(ClientDisconnect):
    """The client has disconnected, or does not read its answers."""


class BodyStream:
    """A request's body; a wait for its next piece can time out and be repeated."""

    def __init__(
        self, receive: Receive, stopping: asyncio.Event, lease: CallerLease, stopped: Message
    ) -> None:
        """Prepare; ``stopped`` says what the service's end means for what was sent."""
        self._receive = receive
        self._stopping = asyncio.ensure_future(stopping.wait())
        self._lease = lease
        self._stopped = stopped
        self._ending = asyncio.ensure_future(lease.ended.wait())
        self._next: asyncio.Future[AsgiMessage] | None = None
        self.is_complete = False

    async def next(self, seconds: float) -> bytes | None:
        """Return the next piece; None if it does not arrive in time.

        Raises:
            Problem: The service is stopping (503), or the key was revoked or has expired (401).
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._receive())
        waited: set[asyncio.Future[Any]] = {self._next, self._stopping, self._ending}
        await asyncio.wait(waited, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        if self._stopping.done():
            raise Problem(503, self._stopped)
        self._lease.check()
        if not self._next.done():
            return None
        message, self._next = self._next.result(), None
        if message["type"] != "http.request":
            raise ClientGone
        self.is_complete = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def close(self) -> None:
        """Cancel every wait."""
        self._stopping.cancel()
        self._ending.cancel()
        if self._next is not None:
            self._next.cancel()
