"""The application: routes and errors around one worker's service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from anchor.pipeline.project import Project
from anchor.service import (
    bulk,
    heads,
    health,
    metrics,
    pages,
    publiclog,
    receipts,
    status,
    submitting,
    verifier,
)
from anchor.service.accesslog import AccessLog
from anchor.service.measured import Measured
from anchor.service.openapi import build_openapi
from anchor.service.peers import Peers
from anchor.service.problems import answer_problems
from anchor.service.protection import Protection
from anchor.service.service import Service
from anchor.service.settings import Settings
from anchor.service.throttle import Throttle, Throttled

_ROUTERS = (
    submitting.router,
    bulk.router,
    status.router,
    receipts.router,
    heads.router,
    publiclog.router,
    health.router,
    metrics.router,
    verifier.router,
    pages.router,
)


class _Application(FastAPI):
    """FastAPI's, described in our own words."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return build_openapi(self)


def create_app(project: Project, settings: Settings | None = None) -> FastAPI:
    """Return the application for an open project, which it closes when it stops.

    Raises:
        ConfigError: the log's key is missing or damaged.
    """
    service = Service(project, settings or Settings())
    state = {
        "stopping": service.stopping,
        "settings": service.settings,
        "peers": Peers(service.settings.proxies),
        "throttle": Throttle(service.settings),
    }

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        await service.start()
        try:
            yield state
        finally:
            await service.close()

    app = make_app()
    app.router.lifespan_context = lifespan
    app.state.service = service
    return app


def make_app() -> FastAPI:
    """Return the application without a project: its routes, and what they are described as."""
    app = _Application(
        title="anchor",
        summary="Takes electronic evidence in for anchoring on Ethereum.",
        version=version("anchor-evidence"),
        openapi_url="/openapi.json",
        docs_url=None,  # their scripts come from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    answer_problems(app)
    app.add_middleware(Throttled)
    app.add_middleware(Protection)
    app.add_middleware(AccessLog)
    app.add_middleware(Measured)
    for router in _ROUTERS:
        app.include_router(router)
    return app
