"""What the pages refer to: the style sheet and the icon."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from anchor.service.pages.rendering import load_static, style_path
from anchor.service.problems import Problem

router = APIRouter(include_in_schema=False)


@router.get("/pages-{digest}.css")
async def style(digest: str) -> Response:
    """Return the style sheet, whose address names its content."""
    if f"/pages-{digest}.css" != style_path():
        raise Problem(404, "this release has another style sheet")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(load_static("pages.css"), media_type="text/css", headers=headers)


@router.get("/favicon.svg")
async def icon() -> Response:
    """Return the icon."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(load_static("favicon.svg"), media_type="image/svg+xml", headers=headers)
