"""What a worker has open while it serves: the project, and the threads that work on its store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import Request

from anchor.pipeline.project import Project
from anchor.service.settings import Settings

T = TypeVar("T")

# Reads take a millisecond or so each, and most of that is the database's.
_READERS = 4


class Service:
    """One worker's view of the project."""

    def __init__(self, project: Project, settings: Settings) -> None:
        self.project = project
        self.settings = settings
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")

    async def read(self, work: Callable[[], T]) -> T:
        """Run ``work``, which may block on the store, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def close(self) -> None:
        """Release what is open, the project's store as well."""
        self._readers.shutdown()
        self.project.database.close()


def service_of(request: Request) -> Service:
    """Return the worker's service, for a route (``Depends(service_of)``)."""
    service: Service = request.app.state.service
    return service
