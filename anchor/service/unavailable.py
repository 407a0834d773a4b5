"""The application of a worker whose project cannot be opened: it answers 503 until it can.

The cause may be the disk, the database's server, or a store that is being replaced.  A worker that
ended because of it would only be started again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.service.client_address import Peers
from anchor.service.problems import CLOSE, RETRY_LATER, Problem
from anchor.service.settings import Settings

_LOG = logging.getLogger("anchor.service")

# Seconds between two attempts to open the project.
_PAUSE = 1.0


class UnavailableApp:
    """An application that answers every request with 503 until the project can be opened."""

    def __init__(
        self,
        settings: Settings,
        reason: AnchorError | OSError,
        attempt: Callable[[], None],
        end_process: Callable[[], None],
    ) -> None:
        """Create the application; ``attempt`` raises while the project cannot be opened."""
        self._settings = settings
        self._attempt = attempt
        self._end_process = end_process
        self._told = ""
        self._tell(reason)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["path"] == "/healthz":
            await JSONResponse({"status": "alive"})(scope, receive, send)
        else:
            problem = Problem(
                503,
                Message("store-unavailable-nothing-taken"),
                headers=RETRY_LATER | CLOSE,
            )
            await problem.response()(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        stopping = asyncio.Event()
        scope["state"].update(
            stopping=stopping, settings=self._settings, peers=Peers(self._settings.proxies)
        )
        await receive()
        trying = asyncio.create_task(self._wait())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        stopping.set()
        trying.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _wait(self) -> None:
        while not await asyncio.to_thread(self._try):
            await asyncio.sleep(_PAUSE)
        self._end_process()  # the worker that replaces this one opens the project

    def _try(self) -> bool:
        try:
            self._attempt()
        except (AnchorError, OSError) as error:
            self._tell(error)
            return False
        return True

    def _tell(self, reason: AnchorError | OSError) -> None:
        """Log a reason, unless it was the last one logged."""
        if str(reason) != self._told:
            self._told = str(reason)
            _LOG.error(Message("service-project-unavailable", reason=reason))
