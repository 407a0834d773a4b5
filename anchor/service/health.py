"""``/healthz``: this process answers.  ``/readyz``: it could take evidence in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from anchor.service.service import Service, service_of
from anchor.store.evidence import estimate_waiting

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether this process answers")
async def healthz() -> dict[str, str]:
    """Answer; nothing is looked at."""
    return {"status": "alive"}


@router.get("/readyz", summary="Whether evidence can be taken in")
async def readyz(service: Annotated[Service, Depends(service_of)]) -> dict[str, str]:
    """Read the store, and what was last seen of the chain.

    How much waits is for administrators (`/metrics`).
    """

    def look() -> None:
        service.project.database.check_room(0)
        service.project.database.check_copies()
        with service.project.database.read() as connection:
            estimate_waiting(connection)

    await service.read(look)
    service.check_chain()
    service.check_clock()
    return {"status": "ready"}
