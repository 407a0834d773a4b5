"""``/tenants/TENANT/cases``: the cases that a person sees, and the form for a new one."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.system.clock import utc_now
from anchor.people.case_rules import CaseState, viewer_of
from anchor.service.caller import Caller
from anchor.service.pages.case_forms import CASE_FORM, read_case_form
from anchor.service.pages.forms import Form, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.list_page import LIST_ROWS
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.people_labels import CASE_STATE_LABELS
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.worker import CurrentService
from anchor.store.case_exhibits import count_exhibits
from anchor.store.cases import create_case, load_cases

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_STATES: dict[str, CaseState] = {state: state for state in get_args(CaseState)}


@router.get("/tenants/{tenant}/cases")
async def cases_page(
    request: Request,
    service: CurrentService,
    reader: CurrentReader,
    tenant: str,
    state: str = "",
) -> Response:
    """Show a page of cases, the newest first."""
    caller = await need_caller(request, service, tenant, "status")
    viewer = viewer_of(caller.permissions, caller.actor)
    chosen, before = _STATES.get(state), reader.asked("before")
    rows = await service.query(
        load_cases, tenant, viewer, LIST_ROWS + 1, before=before or None, state=chosen
    )
    shown = rows[:LIST_ROWS]
    values = {
        "here": "account",
        "tenant": tenant,
        "permissions": caller.permissions,
        "cases": shown,
        "exhibits": await service.query(count_exhibits, [row.id for row in shown]),
        "state": chosen,
        "states": CASE_STATE_LABELS,
        "before": bool(before),
        "next_before": shown[-1].id if len(rows) > LIST_ROWS else None,
    }
    return answer_page("cases.html", values, reader)


@router.get("/tenants/{tenant}/cases/new")
async def new_case_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Show the form for a new case."""
    return _show_form(reader, await need_caller(request, service, tenant, "submit"), Form())


@router.post("/tenants/{tenant}/cases")
async def create(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Create a case, and show it."""
    caller = await need_caller(request, service, tenant, "submit")
    fields, form = read_case_form(await read_form(request, service, *CASE_FORM))
    if form.errors:
        return _show_form(reader, caller, form)
    try:
        case = await service.change(create_case, tenant, fields, caller.actor, utc_now())
    except UsageError as error:
        return _show_form(reader, caller, form.refuse(number=error.message))
    return RedirectResponse(reader.link(f"/tenants/{tenant}/cases/{case.id}"), status_code=303)


def _show_form(reader: Reader, caller: Caller, form: Form) -> Response:
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "case": None,
        "may_share": True,
        "form": form,
    }
    return answer_page("case-edit.html", values, reader, status=422 if form.errors else 200)
