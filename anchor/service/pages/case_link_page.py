"""``/tenants/TENANT/cases/CASE/links``: making a link to a case, and revoking one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.case_rules import LINK_LABEL
from anchor.people.lifetimes import LINK_DAYS, MAX_LINK_DAYS, link_end
from anchor.people.plain_text import clean_text, find_text_fault
from anchor.service.caller import Caller
from anchor.service.case_access import change_visible_case, find_visible_case
from anchor.service.pages.case_view import answer_case
from anchor.service.pages.forms import Form, read_days, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.tenant_access import base_address, need_caller
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService, Service
from anchor.store.case_links import create_case_link, revoke_case_link
from anchor.store.cases import CaseRow

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post("/tenants/{tenant}/cases/{case}/links")
async def change_links(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, case: str
) -> Response:
    """Make a link and show it, once; or revoke one."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "recipient", "days", "revoke")
    known = await find_visible_case(service, caller, case)
    if form.text("revoke"):
        return await _revoke(service, reader, caller, known, form.text("revoke"))
    label = clean_text(form.text("recipient"))
    days = read_days(form, LINK_DAYS, MAX_LINK_DAYS)
    fault = find_text_fault(label, LINK_LABEL)
    if fault is not None:
        form = form.refuse(recipient=fault)
    if days is None:
        form = form.refuse(days=Message("form-days-invalid", limit=MAX_LINK_DAYS))
    if form.errors or days is None:
        return await answer_case(service, reader, caller, known, form)
    at = utc_now()
    end = link_end(at, days)
    try:
        token = await change_visible_case(
            service,
            caller,
            case,
            lambda c, row: create_case_link(c, row, label, caller.actor, at=at, expires_at=end),
        )
    except UsageError as error:
        return await answer_case(
            service, reader, caller, known, form.refuse(recipient=error.message)
        )
    link = f"{base_address(request, service)}/shared?token={token}"
    return await answer_case(service, reader, caller, known, Form(), link=link)


async def _revoke(
    service: Service, reader: Reader, caller: Caller, case: CaseRow, id: str
) -> Response:
    at = utc_now()
    if not await change_visible_case(
        service, caller, case.id, lambda c, row: revoke_case_link(c, row, id, caller.actor, at)
    ):
        raise Problem(404, Message("case-link-unknown"))
    address = reader.link(f"/tenants/{case.tenant}/cases/{case.id}")
    return RedirectResponse(f"{address}#links", status_code=303)
