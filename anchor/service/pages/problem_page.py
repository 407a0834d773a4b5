"""``/problems/{sentence}``: what a problem's ``type`` means (RFC 9457), for whoever follows it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from anchor.base.messages.catalogue import load_catalogue
from anchor.base.messages.message import Message
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.problems import Problem

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/problems/{sentence}")
async def problem_page(sentence: str, reader: CurrentReader) -> Response:
    """Show the sentence of that id, with the names of what is filled in."""
    text = load_catalogue(reader.language).get(sentence)
    if text is None:
        raise Problem(404, Message("address-not-found"))
    return answer_page("problem.html", {"here": "docs", "id": sentence, "text": text}, reader)
