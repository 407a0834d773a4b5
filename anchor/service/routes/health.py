"""``/healthz``: this process answers.  ``/readyz``: it could take evidence in."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.schemas import Alive, Ready, problems
from anchor.service.worker import CurrentService

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether this process answers")
async def healthz() -> Alive:
    """Answer without looking at anything."""
    return Alive(status="alive")


@router.get(
    "/readyz",
    summary="Whether evidence can be taken in",
    responses=problems(503),
)
async def readyz(service: CurrentService) -> Ready:
    """Commit a small write, at most once a second, and check what was last seen of the chain.

    How much waits in the store is for administrators (`/metrics`).
    """
    await service.readiness.check()
    service.check_chain()
    service.check_clock()
    return Ready(status="ready")
