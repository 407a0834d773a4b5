"""A line for each request: when, how it was answered, what, for whom, how long it took.

For whom: the client's address, the tenant and the id of the key, ``-`` where there is none.

Neither headers nor queries are in it, so that no key and no parameter is.
"""

from __future__ import annotations

import json
import logging
import time

from anchor.service.client_address import client_of
from anchor.service.header_protection import Application, Message, Receive, Send

_LOG = logging.getLogger("anchor.service.requests")
_MAX_PATH = 200


class AccessLog:
    """Logs requests once they are answered, or their client is gone."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            _LOG.info(
                "%s %s %s %s %s %s %.1f ms",
                status,
                scope["method"],
                json.dumps(scope["path"][:_MAX_PATH]),  # which may hold any character
                client_of(scope),
                scope.get("anchor.tenant", "-"),
                scope.get("anchor.key", "-"),
                1_000 * (time.monotonic() - started),
            )
