"""``/tenants/TENANT/cases/CASE/exhibits``: adding, describing, moving and removing exhibits."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.service.caller import Caller
from anchor.service.case_access import (
    change_visible_case,
    find_named_evidence,
    find_visible_case,
    need_exhibit,
)
from anchor.service.pages.case_forms import (
    EXHIBIT_FORM,
    fill_exhibit_form,
    read_exhibit_form,
    read_position,
    refuse_position,
)
from anchor.service.pages.case_view import ShownExhibit, answer_case, show_exhibit
from anchor.service.pages.forms import Form, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService, Service
from anchor.store.case_exhibits import (
    add_exhibit,
    change_exhibit,
    load_exhibit_pieces,
    remove_exhibit,
)
from anchor.store.cases import CaseRow

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post("/tenants/{tenant}/cases/{case}/exhibits")
async def add(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, case: str
) -> Response:
    """Add a piece of evidence, named by id or number, at the end."""
    caller = await need_caller(request, service, tenant, "submit")
    form = await read_form(request, service, "evidence", *EXHIBIT_FORM)
    known = await find_visible_case(service, caller, case)
    entered, form = read_exhibit_form(form)
    at = utc_now()
    try:
        piece = await find_named_evidence(service, caller, form.text("evidence"))
        if not form.errors:
            await change_visible_case(
                service,
                caller,
                case,
                lambda c, row: add_exhibit(c, row, piece, entered, caller.actor, at),
            )
    except UsageError as error:
        form = form.refuse(evidence=error.message)
    if form.errors:
        return await answer_case(service, reader, caller, known, form)
    return _back(reader, known)


@router.get("/tenants/{tenant}/cases/{case}/exhibits/{exhibit}")
async def exhibit_page(
    request: Request,
    service: CurrentService,
    reader: CurrentReader,
    tenant: str,
    case: str,
    exhibit: str,
) -> Response:
    """Show the form with an exhibit's words and position."""
    caller = await need_caller(request, service, tenant, "submit")
    row = await find_visible_case(service, caller, case)
    shown = await _find(service, row, exhibit)
    return _show_form(reader, caller, row, shown, fill_exhibit_form(shown.row))


@router.post("/tenants/{tenant}/cases/{case}/exhibits/{exhibit}")
async def change(
    request: Request,
    service: CurrentService,
    reader: CurrentReader,
    tenant: str,
    case: str,
    exhibit: str,
) -> Response:
    """Change or move an exhibit, or remove it."""
    caller = await need_caller(request, service, tenant, "submit")
    form = await read_form(request, service, *EXHIBIT_FORM, "position", "remove")
    known = await find_visible_case(service, caller, case)
    shown = await _find(service, known, exhibit)
    at = utc_now()
    if form.text("remove"):

        def remove(connection: Any, row: CaseRow) -> None:
            piece = need_exhibit(connection, row, exhibit)
            remove_exhibit(connection, row, piece, caller.actor, at)

        await change_visible_case(service, caller, case, remove, removes=True)
        return _back(reader, known)
    entered, form = read_exhibit_form(form)
    position = read_position(form)
    if position is None:
        form = refuse_position(form)
    if form.errors or position is None:
        return _show_form(reader, caller, known, shown, form)

    def work(connection: Any, row: CaseRow) -> None:
        piece = need_exhibit(connection, row, exhibit)
        change_exhibit(connection, row, piece, entered, position, caller.actor, at)

    await change_visible_case(service, caller, case, work)
    return _back(reader, known)


async def _find(service: Service, case: CaseRow, id: str) -> ShownExhibit:
    """Return an exhibit of a case."""
    pairs = await service.query(load_exhibit_pieces, case.id)
    for row, piece in pairs:
        if row.id == id:
            return show_exhibit(row, piece)
    raise Problem(404, Message("exhibit-unknown"))


def _back(reader: Reader, case: CaseRow) -> Response:
    address = reader.link(f"/tenants/{case.tenant}/cases/{case.id}")
    return RedirectResponse(f"{address}#exhibits", status_code=303)


def _show_form(
    reader: Reader, caller: Caller, case: CaseRow, exhibit: ShownExhibit, form: Form
) -> Response:
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "case": case,
        "exhibit": exhibit,
        "form": form,
    }
    return answer_page("exhibit.html", values, reader, status=422 if form.errors else 200)
