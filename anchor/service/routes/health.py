"""``/healthz``: the process responds.  ``/readyz``: the service can accept evidence."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.schemas import Alive, Ready, problems
from anchor.service.worker import CurrentService

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether this process answers")
async def healthz() -> Alive:
    """Answer without any check."""
    return Alive(status="alive")


@router.get(
    "/readyz",
    summary="Whether evidence can be taken in",
    responses=problems(503),
)
async def readyz(service: CurrentService) -> Ready:
    """Check that a small write can be committed, and that the chain, as last seen, allows intake.

    The write is made at most once a second. How much evidence waits is shown to administrators only
    (`/metrics`).
    """
    await service.readiness.check()
    service.check_chain()
    service.check_clock()
    return Ready(status="ready")
