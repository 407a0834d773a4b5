"""``/tenants/TENANT/captures``: ordering captures of web pages, and what became of them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.messages.message import Message
from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.service.caller import Caller
from anchor.service.capture_orders import need_captures, order_page
from anchor.service.capture_schemas import MAX_DEPTH, MAX_URL, VIEWPORTS, read_capture_form
from anchor.service.capture_view import answer_picture
from anchor.service.pages.forms import Form, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.list_page import LIST_ROWS, make_list_page
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.problems import Problem
from anchor.service.schemas import IdInPath
from anchor.service.worker import CurrentService, Service
from anchor.store.captures import CaptureState, load_captures

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LIST = "/tenants/{tenant}/captures"
_REFUSED = (422, 429)
_STATES: Final[Mapping[CaptureState, Message]] = {
    "waiting": Message("capture-state-waiting"),
    "running": Message("capture-state-running"),
    "recorded": Message("capture-state-recorded"),
    "refused": Message("capture-state-refused"),
}
_FIRST: Final = Form({"viewports": (VIEWPORTS[0],), "depth": ("0",)})


@router.get(_LIST)
async def captures_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Show the form and a page of the tenant's captures, the newest first."""
    caller = await need_caller(request, service, tenant, "read")
    return await _show(service, reader, caller, _FIRST)


@router.post(_LIST)
async def order_capture_of_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Order a capture."""
    caller = await need_caller(request, service, tenant, "submit")
    form = await read_form(
        request, service, "url", "depth", "note", "form", "sure", several=("viewports",)
    )
    need_captures(service)
    form, status = await _order(service, caller, form)
    if form.errors:
        return await _show(service, reader, caller, form, status)
    return RedirectResponse(reader.link(f"/tenants/{tenant}/captures"), status_code=303)


@router.get("/tenants/{tenant}/evidence/{id}/picture")
async def picture(request: Request, service: CurrentService, tenant: str, id: IdInPath) -> Response:
    """Return the picture of a captured page."""
    caller = await need_caller(request, service, tenant, "read")
    return await answer_picture(service, caller, id)


async def _order(service: Service, caller: Caller, form: Form) -> tuple[Form, int]:
    """Order what a form asks for; return it with its errors, and the status for these."""
    if not form.has("sure", "yes"):
        return form.refuse(sure=Message("capture-not-confirmed")), 422
    asked = read_capture_form(
        {
            "url": form.text("url"),
            "depth": form.text("depth", "0"),
            "viewports": list(form.entered.get("viewports", ())),
            "note": form.text("note") or None,
        }
    )
    if isinstance(asked, set):
        texts = {
            "url": Message("capture-url-unusable", limit=MAX_URL),
            "depth": Message("capture-depth-unusable"),
            "viewports": Message("capture-viewports-unusable"),
            "note": Message("capture-note-unusable", limit=MAX_CHARACTERS),
        }
        return form.refuse(**{name: texts[name] for name in texts if name in asked}), 422
    try:
        # The form has a key of its own, so that it is one order however often it is sent.
        await order_page(service, caller, asked, f"form-{form.text('form')}"[:200])
    except Problem as problem:
        if problem.status not in _REFUSED:
            raise
        return form.refuse(url=problem.detail), problem.status
    return form, 200


async def _show(
    service: Service, reader: Reader, caller: Caller, form: Form, status: int = 200
) -> Response:
    settings = need_captures(service)
    rows = await service.query(
        load_captures, caller.tenant, LIST_ROWS + 1, reader.asked("before") or None
    )
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "form": form,
        "key": form.text("form") or secrets.token_hex(16),
        "viewports": VIEWPORTS,
        "depths": range(MAX_DEPTH + 1),
        "max_url": MAX_URL,
        "max_note": MAX_CHARACTERS,
        "per_day": settings.per_day,
        "states": _STATES,
        "captures": make_list_page(rows, reader, "before", lambda row: row.id),
    }
    return answer_page("captures.html", values, reader, status=status)
