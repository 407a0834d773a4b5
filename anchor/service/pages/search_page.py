"""``/tenants/TENANT/search``: a search field, and what was found."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anchor.base.errors import MalformedError
from anchor.evidence.search_query import parse_query
from anchor.monitor.log_lookup import parse_index
from anchor.service.pages.forms import Form
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.people_labels import CASE_STATE_LABELS
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.search_schemas import describe_piece
from anchor.service.tenant_searches import search
from anchor.service.worker import CurrentService

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PIECES = 50


@router.get("/tenants/{tenant}/search")
async def search_page(
    request: Request,
    service: CurrentService,
    reader: CurrentReader,
    tenant: str,
    q: str = "",
    before: str = "",
) -> Response:
    """Show the search field, and what a query found."""
    caller = await need_caller(request, service, tenant, "read")
    form, matches = Form({"q": (q,)}), None
    if q.strip():
        try:
            query = parse_query(q)
            matches = await search(service, caller, query, _PIECES, parse_index(before))
        except MalformedError as error:
            form = form.refuse(q=error.message)
    values = {
        "here": "account",
        "tenant": tenant,
        "permissions": caller.permissions,
        "form": form,
        "matches": matches,
        "pieces": [] if matches is None else [describe_piece(each) for each in matches.pieces],
        "states": CASE_STATE_LABELS,
        "before": bool(before),
    }
    return answer_page("search.html", values, reader, status=422 if form.errors else 200)
