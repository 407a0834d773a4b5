"""Pages for people: what the service is, and what it offers."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index() -> PlainTextResponse:
    """Say what is here."""
    return PlainTextResponse("anchor: see /openapi.json for the service, /verify.html to verify\n")
