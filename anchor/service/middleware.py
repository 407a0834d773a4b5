"""Middleware of every request: limits by address, header checks, metrics and the access log.

Each worker counts for itself.  If several serve, prometheus-client keeps their numbers in files of
a folder (``PROMETHEUS_MULTIPROC_DIR``), and the worker that is asked adds them up.

The log line has the time, status, method, path, client, tenant, key id and duration (``-`` for a
missing value), but neither headers nor query, so that it holds no key and no parameter.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from fastapi.security.utils import get_authorization_scheme_param
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.units import format_stored_time
from anchor.service.address_guard import AddressGuard
from anchor.service.address_limits import COUNTED, AddressLimits, too_many
from anchor.service.auth import authenticate
from anchor.service.client_address import client_of, peers_of
from anchor.service.pages.language import read_reader
from anchor.service.pages.page_routes import answer_problem
from anchor.service.pages.rendering import static_path
from anchor.service.problems import ANSWER_LANGUAGE, CLOSE, Problem, explain

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_LOG = logging.getLogger("anchor.service")
_ACCESS_LOG = logging.getLogger("anchor.service.requests")
_MAX_PATH = 200
_HEALTH = frozenset({"/healthz", "/readyz"})

# Default headers of answers; a page sets its own policy.
_DEFAULTS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
# Headers allowed only once: two programs could read a repeated one differently.
_ONCE = frozenset(
    {b"authorization", b"content-type", b"content-length", b"host", b"idempotency-key", b"origin"}
)

# Seconds, from a page of a few kilobytes to a bulk submission of some minutes.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

disable_created_metrics()  # series with creation times, which are not needed
_own = CollectorRegistry()
REQUESTS = Counter(
    "anchor_http_requests",
    "Requests answered, by route and status.",
    ("method", "route", "status"),
    registry=_own,
)
SECONDS = Histogram(
    "anchor_http_request_seconds",
    "Seconds from a request's headers to the end of its answer, by route.",
    ("route",),
    buckets=_BUCKETS,
    registry=_own,
)


def count_in_files(folder: Path) -> None:
    """Count the requests of this process, and of those that it starts, in files of ``folder``."""
    os.environ[_FOLDER] = str(folder)
    # prometheus-client chose by the variable when it was imported.
    values.ValueClass = values.get_value_class()


def collect_requests() -> CollectorRegistry:
    """Return a registry with the request counts of all workers."""
    if _FOLDER not in os.environ:
        return _own
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


class RequestMiddleware:
    """The middleware around ``app``: handles each HTTP request, and passes lifespan events through.

    It refuses ambiguous heads and clients that exceed their limits, answers every error, completes
    every answer's headers, and counts and logs the request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def send_completed(message: AsgiMessage) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _complete(message.get("headers", ()))}
            await send(message)

        try:
            _choose_language(scope)
            await self._answer(scope, receive, send_completed)
        except ClientDisconnect:
            pass
        except Exception as error:
            if status:  # the answer has begun, and cannot be replaced
                raise
            await _explain(error).response()(scope, receive, send_completed)
        finally:
            seconds = time.perf_counter() - started
            _count(scope, status, seconds)
            _log(scope, status, seconds)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = _find_problem(scope)
        if problem is None and scope["path"] in _HEALTH:
            await self._app(scope, receive, send)
            return
        problem = problem or _find_block(scope) or await _limit_anonymous(scope)
        if problem is not None:
            await refuse(scope, problem)(scope, receive, send)
            return
        client, peers = client_of(scope), peers_of(scope)
        if not peers.is_proxy(scope["client"][0] if scope["client"] else ""):
            await self._app(scope, receive, send)
            return
        # A proxy's connections are shared by its clients: their requests are counted instead.
        try:
            if peers.arrive(client) > scope["state"]["settings"].max_per_peer:
                scope["state"]["throttle"].limited.note(client)
                await refuse(scope, too_many(1.0))(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            peers.leave(client)


def refuse(scope: Scope, problem: Problem) -> Response:
    """Return the answer to a request that no route takes: a page for browsers, but for the API."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    if b"text/html" in accepted and not scope["path"].startswith("/v1/"):
        return answer_problem(problem, read_reader(Request(scope)))
    return problem.response()


def _find_problem(scope: Scope) -> Problem | None:
    names = [name for name, _ in scope["headers"]]
    for name in sorted(_ONCE):
        if names.count(name) > 1:
            return Problem(
                400, Message("request-header-repeated", name=name.decode()), headers=CLOSE
            )
    if b"host" not in names and scope["http_version"] == "1.1":  # RFC 9112 section 3.2
        return Problem(400, Message("request-host-missing"), headers=CLOSE)
    if b"content-encoding" in names:
        return Problem(415, Message("request-body-compressed"), headers=CLOSE)
    if "\n" in scope["path"]:  # else a route's pattern would match the address before it
        return Problem(404, Message("address-not-found"))
    return None


def _choose_language(scope: Scope) -> None:
    """Choose the language in which the API answers errors: that of a reader without a key."""
    if not any(name == b"authorization" for name, _ in scope["headers"]):
        ANSWER_LANGUAGE.set(read_reader(Request(scope)).language)


def _find_block(scope: Scope) -> Problem | None:
    """Return the answer to a blocked client, who gets nothing but the style of that page."""
    guard: AddressGuard = scope["state"]["guard"]
    until = guard.blocks.find(client_of(scope), utc_now())
    if until is None or scope["path"] == static_path("pages.css"):
        return None
    return Problem(403, Message("address-blocked", until=format_stored_time(until)), headers=CLOSE)


async def _limit_anonymous(scope: Scope) -> Problem | None:
    """Count the request as one without a key, until one of it is accepted."""
    throttle: AddressLimits = scope["state"]["throttle"]
    seconds = throttle.anonymous.take(client_of(scope))
    scope[COUNTED] = not seconds
    if not seconds:
        return None
    request = Request(scope)
    kind, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    if kind.lower() != "bearer":
        return too_many(seconds)
    try:
        # Some routes do not look at keys.
        await authenticate(request.app.state.service, request, token)
    except Problem as problem:
        return too_many(seconds) if problem.status == 401 else problem
    except (AnchorError, OSError) as error:
        return explain(error)
    return None


def _complete(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = list(headers)
    names = {name.lower() for name, _ in own}
    return own + [(name, value) for name, value in _DEFAULTS if name not in names]


def _explain(error: Exception) -> Problem:
    if isinstance(error, OSError):
        return explain(error)
    _LOG.error("a bug", exc_info=error)
    return Problem(500, Message("service-internal-error"), headers=CLOSE)


def _count(scope: Scope, status: int, seconds: float) -> None:
    # A path without a route may be any text: it must not become a label of its own.
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    # Without a status the client disconnected before the answer began.
    REQUESTS.labels(method, route, str(status or "none")).inc()
    SECONDS.labels(route).observe(seconds)


def _log(scope: Scope, status: int, seconds: float) -> None:
    _ACCESS_LOG.info(
        "%s %s %s %s %s %s %.1f ms",
        status,
        scope["method"],
        json.dumps(scope["path"][:_MAX_PATH]),  # escaped: a path may hold any character
        client_of(scope),
        scope.get("anchor.tenant", "-"),
        scope.get("anchor.key", "-"),
        1_000 * seconds,
    )
