"""``/``: the public front page, which leads everybody to what they came for."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
async def home_page(reader: CurrentReader) -> Response:
    """Show the ways to verify, to look a number up, and to record evidence."""
    return answer_page("home.html", {"here": "home"}, reader)
