"""``/tenants/TENANT/events``: its audit trail, page by page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anchor.monitor.log_lookup import parse_index
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.people_labels import describe_event, list_named
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.worker import CurrentService
from anchor.store.persons import find_persons
from anchor.store.tenant_events import load_events

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_EVENTS = 50


@router.get("/tenants/{tenant}/events")
async def events_page(
    request: Request,
    service: CurrentService,
    reader: CurrentReader,
    tenant: str,
    before: str = "",
) -> Response:
    """Show a page of events, the newest first or those before one."""
    caller = await need_caller(request, service, tenant, "audit")
    below = parse_index(before)
    events = await service.query(load_events, tenant, _EVENTS + 1, before=below)
    named = await service.query(find_persons, list_named(events))
    values = {
        "here": "account",
        "tenant": tenant,
        "permissions": caller.permissions,
        "events": [describe_event(event, named) for event in events[:_EVENTS]],
        "before": below is not None,
        "next_before": events[_EVENTS - 1].id if len(events) > _EVENTS else None,
    }
    return answer_page("events.html", values, reader)
