"""What stands before every request: headers that are refused, and headers that every answer has."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from anchor.service.problems import Problem, explain_system_error

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("anchor.service")

# For answers that say nothing else themselves; a page brings a policy of its own.
_DEFAULTS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
# Named twice, two readers could understand two things.
_ONCE = frozenset(
    {b"authorization", b"content-type", b"content-length", b"host", b"idempotency-key", b"origin"}
)


class Disconnected(Exception):
    """The client is gone; there is nobody to answer."""


class Protection:
    """Refuses what two readers could understand differently, and completes every answer."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        has_begun = False

        async def send_completed(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = list(message.get("headers", ()))
                there = {name.lower() for name, _ in headers}
                headers += [item for item in _DEFAULTS if item[0] not in there]
                message = {**message, "headers": headers}
            await send(message)

        problem = _find_problem(scope)
        if problem is not None:
            await problem.response()(scope, receive, send_completed)
            return
        try:
            await self._app(scope, receive, send_completed)
        except Disconnected:
            return
        except OSError as error:
            if has_begun:
                raise
            await explain_system_error(error).response()(scope, receive, send_completed)
        except Exception as error:
            if has_begun:
                raise
            _LOG.error("a bug", exc_info=error)
            answer = Problem(500, "an error of the service", headers=_CLOSE).response()
            await answer(scope, receive, send_completed)


def _find_problem(scope: Message) -> Problem | None:
    names = [name for name, _ in scope["headers"]]
    for name in sorted(_ONCE):
        if names.count(name) > 1:
            return Problem(400, f"the header {name.decode()} is there twice", headers=_CLOSE)
    if b"host" not in names and scope["http_version"] == "1.1":  # RFC 9112 section 3.2
        return Problem(400, "the header host is missing", headers=_CLOSE)
    if b"content-encoding" in names:
        return Problem(415, "a body is taken as it is, not compressed", headers=_CLOSE)
    return None


# A body that nobody read must not be taken for the next request.
_CLOSE = {"Connection": "close"}
