"""The application: routes and errors around one worker's service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from anchor.pipeline.project import Project
from anchor.service import health, pages, verifier
from anchor.service.problems import answer_problems
from anchor.service.protection import Protection
from anchor.service.service import Service
from anchor.service.settings import Settings


def create_app(project: Project, settings: Settings | None = None) -> FastAPI:
    """Return the application for an open project, which it closes when it stops."""
    service = Service(project, settings or Settings())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    app = FastAPI(
        title="anchor",
        summary="Takes electronic evidence in for anchoring on Ethereum.",
        version=version("anchor-evidence"),
        lifespan=lifespan,
        openapi_url="/openapi.json",
        docs_url=None,  # their scripts come from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    answer_problems(app)
    app.add_middleware(Protection)
    for router in (health.router, verifier.router, pages.router):
        app.include_router(router)
    return app
