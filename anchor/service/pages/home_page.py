"""``/``: the public front page, which leads everybody to what they came for."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from anchor.service.pages.about_page import describe_chain_kind
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.worker import CurrentService

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
async def home_page(service: CurrentService, reader: CurrentReader) -> Response:
    """Show the ways to verify, to look a number up, and to record evidence."""
    kind = describe_chain_kind(service.project.config)
    return answer_page("home.html", {"here": "home", "chain_kind": kind}, reader)
