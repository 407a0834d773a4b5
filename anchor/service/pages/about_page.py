"""``/about``: what this is, what it does not prove, and how to check it elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from fastapi import APIRouter
from fastapi.responses import Response

from anchor.base.messages.message import Message
from anchor.page import load_page
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page, describe_log
from anchor.service.pages.site_chain import SiteChain
from anchor.service.worker import CurrentService

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PROVES = (
    Message("about-proves-unchanged"),
    Message("about-proves-time"),
    Message("about-proves-alone"),
)
_NOT_PROVEN = (
    Message("certificate-not-proven-truth"),
    Message("certificate-not-proven-authorship"),
    Message("certificate-not-proven-history"),
    Message("certificate-not-proven-age"),
    Message("certificate-not-proven-legality"),
    Message("certificate-not-proven-completeness"),
    Message("certificate-not-proven-status"),
)


def list_proven(site: SiteChain) -> Sequence[Message]:
    """Return what is proven: on a chain that proves no time, that a file is unchanged."""
    return _PROVES if site.proves_time else _PROVES[:1]


@router.get("/about")
async def about_page(service: CurrentService, reader: CurrentReader) -> Response:
    """Show what this is and what it does not prove."""
    config = service.project.config
    values = {
        "here": "about",
        "proves": list_proven(reader.site),
        "not_proven": _NOT_PROVEN,
        "page_hash": _hash_page(),
        "log": describe_log(config),
    }
    return answer_page("about.html", values, reader)


@cache
def _hash_page() -> str:
    return hashlib.sha256(load_page()).hexdigest()
