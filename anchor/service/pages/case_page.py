"""``/tenants/TENANT/cases/CASE``: a case, and the forms that change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.monitor.log_lookup import parse_index
from anchor.people.case_rules import HOLD_REASON, NOTE_TEXT
from anchor.people.plain_text import clean_text, find_text_fault
from anchor.service.caller import Caller
from anchor.service.case_access import change_visible_case, find_visible_case
from anchor.service.package_builder import answer_zip, pack_case
from anchor.service.pages.case_forms import CASE_FORM, fill_case_form, read_case_form
from anchor.service.pages.case_view import answer_case
from anchor.service.pages.forms import Form, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService
from anchor.store.case_exhibits import load_exhibit_pieces
from anchor.store.case_members import add_case_member, remove_case_member
from anchor.store.case_notes import add_case_note
from anchor.store.cases import (
    CaseRow,
    change_case,
    lift_case_hold,
    place_case_hold,
    set_case_state,
)

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/tenants/{tenant}/cases/{case}")
async def case_page(
    request: Request,
    service: CurrentService,
    reader: CurrentReader,
    tenant: str,
    case: str,
    before: str = "",
) -> Response:
    """Show a case with its parties, exhibits, notes and members."""
    caller = await need_caller(request, service, tenant, "status")
    row = await find_visible_case(service, caller, case)
    return await answer_case(service, reader, caller, row, Form(), parse_index(before))


@router.get("/tenants/{tenant}/cases/{case}/package")
async def package(request: Request, service: CurrentService, tenant: str, case: str) -> Response:
    """Return the case as a packed folder."""
    caller = await need_caller(request, service, tenant, "read")
    row = await find_visible_case(service, caller, case)
    pairs = await service.query(load_exhibit_pieces, row.id)
    return answer_zip(await pack_case(service, tenant, row, pairs), f"case-{row.id}.zip")


@router.get("/tenants/{tenant}/cases/{case}/edit")
async def edit_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, case: str
) -> Response:
    """Show the form with the case's fields."""
    caller = await need_caller(request, service, tenant, "submit")
    row = await find_visible_case(service, caller, case)
    return _show_form(reader, caller, row, fill_case_form(row.fields))


@router.post("/tenants/{tenant}/cases/{case}/edit")
async def edit(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, case: str
) -> Response:
    """Change the case's fields; only whoever manages the tenant says who sees it."""
    caller = await need_caller(request, service, tenant, "submit")
    entered, form = read_case_form(await read_form(request, service, *CASE_FORM))
    known = await find_visible_case(service, caller, case)
    if form.errors:
        return _show_form(reader, caller, known, form)
    at, manages = utc_now(), "manage" in caller.permissions

    def work(connection: Any, row: CaseRow) -> None:
        is_shared = entered.is_shared if manages else row.fields.is_shared
        fields = replace(entered, is_shared=is_shared)
        change_case(connection, row, fields, caller.actor, at)

    try:
        await change_visible_case(service, caller, case, work)
    except UsageError as error:
        return _show_form(reader, caller, known, form.refuse(number=error.message))
    return _back(reader, known)


@router.post("/tenants/{tenant}/cases/{case}/state")
async def change_state(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, case: str
) -> Response:
    """Close or reopen the case, or place or lift its hold."""
    caller = await need_caller(request, service, tenant, "submit")
    form = await read_form(request, service, "action", "reason")
    known = await find_visible_case(service, caller, case)
    action, reason, at = form.text("action"), clean_text(form.text("reason")), utc_now()
    if action == "hold":
        fault = find_text_fault(reason, HOLD_REASON)
        if fault is not None:
            return await answer_case(service, reader, caller, known, form.refuse(reason=fault))
    changes: dict[str, Callable[[Any, CaseRow], None]] = {
        "close": lambda c, row: set_case_state(c, row, "closed", caller.actor, at),
        "reopen": lambda c, row: set_case_state(c, row, "open", caller.actor, at),
        "hold": lambda c, row: place_case_hold(c, row, reason, caller.actor, at),
        "lift": lambda c, row: lift_case_hold(c, row, caller.actor, at),
    }
    if action not in changes:
        raise Problem(400, Message("form-malformed"))
    await change_visible_case(
        service, caller, case, changes[action], lifts=action == "lift", closes=action == "close"
    )
    return _back(reader, known)


@router.post("/tenants/{tenant}/cases/{case}/notes")
async def add_note(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, case: str
) -> Response:
    """Add a note."""
    caller = await need_caller(request, service, tenant, "submit")
    form = await read_form(request, service, "text")
    known = await find_visible_case(service, caller, case)
    text, at = clean_text(form.text("text")), utc_now()
    fault = find_text_fault(text, NOTE_TEXT)
    if fault is not None:
        return await answer_case(service, reader, caller, known, form.refuse(text=fault))
    try:
        await change_visible_case(
            service, caller, case, lambda c, row: add_case_note(c, row, text, caller.actor, at)
        )
    except UsageError as error:
        return await answer_case(service, reader, caller, known, form.refuse(text=error.message))
    return _back(reader, known)


@router.post("/tenants/{tenant}/cases/{case}/members")
async def change_members(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, case: str
) -> Response:
    """Add a person of the tenant to the case, or remove one."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "person", "remove")
    known = await find_visible_case(service, caller, case)
    person, at = form.text("person"), utc_now()
    change = remove_case_member if form.text("remove") else add_case_member
    done = await change_visible_case(
        service, caller, case, lambda c, row: change(c, row, person, caller.actor, at)
    )
    if not done:
        raise Problem(404, Message("member-unknown"))
    return _back(reader, known)


def _back(reader: Reader, case: CaseRow) -> Response:
    address = reader.link(f"/tenants/{case.tenant}/cases/{case.id}")
    return RedirectResponse(address, status_code=303)


def _show_form(reader: Reader, caller: Caller, case: CaseRow, form: Form) -> Response:
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "case": case,
        "may_share": "manage" in caller.permissions,
        "form": form,
    }
    return answer_page("case-edit.html", values, reader, status=422 if form.errors else 200)
