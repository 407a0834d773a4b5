"""``/shared``: a case for whoever has a link to it, without an account and to read only."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anchor.service.downloads import answer_receipt
from anchor.service.package_builder import answer_zip, pack_case
from anchor.service.pages.evidence_labels import choose_tones, label_stages
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.shared_case import (
    describe_shared_exhibits,
    need_shared_piece,
    open_shared_case,
)
from anchor.service.worker import CurrentService

# The address holds the token: it goes to no other page or site, and into no search engine.
_HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


class _PrivateRoute(PageRoute):
    """A route whose address is a secret."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of a request."""
        handle = super().get_route_handler()

        async def handle_privately(request: Request) -> Response:
            answer = await handle(request)
            answer.headers.update(_HEADERS)
            return answer

        return handle_privately


router = APIRouter(include_in_schema=False, route_class=_PrivateRoute)


@router.get("/shared")
async def shared_case_page(
    request: Request, service: CurrentService, reader: CurrentReader, token: str = ""
) -> Response:
    """Show the case; the token is in the query, which is not logged."""
    shared = await open_shared_case(service, request, token)
    values = {
        "here": "shared",
        "case": shared.case,
        "link": shared.link,
        "token": token,
        "exhibits": await describe_shared_exhibits(service, shared),
        "stages": label_stages(reader.site),
        "tones": choose_tones(reader.site),
    }
    return answer_page("shared.html", values, reader)


@router.get("/shared/package")
async def shared_package(request: Request, service: CurrentService, token: str = "") -> Response:
    """Return the case as a packed folder, of which all links of a tenant make one at a time."""
    shared = await open_shared_case(service, request, token)
    case = shared.case
    data = await pack_case(service, f"links of {case.tenant}", case, shared.exhibits)
    return answer_zip(data, f"case-{case.id}.zip")


@router.get("/shared/exhibits/{exhibit}/receipt")
async def shared_receipt(
    request: Request, service: CurrentService, exhibit: str, token: str = ""
) -> Response:
    """Return the receipt of an exhibit."""
    shared = await open_shared_case(service, request, token)
    return await answer_receipt(service, need_shared_piece(shared, exhibit))
