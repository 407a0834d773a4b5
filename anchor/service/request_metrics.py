"""Counting requests: how many, how they were answered, how long they took.

Each worker counts for itself.  Where several serve, prometheus-client keeps their numbers in files
of a folder (``PROMETHEUS_MULTIPROC_DIR``), and whichever is asked adds them all up.
"""

from __future__ import annotations

import os
import time

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector

from anchor.service.header_protection import Application, Message, Receive, Send

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder; prometheus-client reads it on import."""

# From a page of a few kilobytes to a bulk submission of some minutes.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

disable_created_metrics()  # when each series began, which nobody asks for
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


def collect_requests() -> CollectorRegistry:
    """Return the counts of all workers."""
    if FOLDER not in os.environ:
        return _own
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


class Measured:
    """Counts every request that comes to ``app``."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "none"  # the client was gone before there was one

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, send_noting)
        finally:
            # A path that fits no route may be anything: it must not become a name of its own.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(method, route, status).inc()
            SECONDS.labels(route).observe(time.perf_counter() - started)
