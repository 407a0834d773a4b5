"""``/operator``: tenants, jobs, messages and room, and what an operator changes there."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.canonical import MAX_INTEGER
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.units import format_bytes
from anchor.service.block_list import read_network
from anchor.service.client_address import client_of
from anchor.service.operator_actions import MAX_BLOCK_DAYS, MAX_REASON, OperatorActions
from anchor.service.operator_reports import (
    view_addresses,
    view_jobs,
    view_outbox,
    view_storage,
    view_tenants,
)
from anchor.service.pages.forms import Form, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.list_page import LIST_ROWS, make_list_page
from anchor.service.pages.notification_labels import (
    DELIVERY_STATES,
    NOTIFICATION_LABELS,
    describe_trouble,
)
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.sign_in import need_operator
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService, Service
from anchor.store.api_keys import Quota

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/operator")
async def operator_page(
    request: Request, service: CurrentService, reader: CurrentReader
) -> Response:
    """Show tenants, jobs, messages and room."""
    await need_operator(request, service)
    return await _show(service, reader, Form())


@router.post("/operator")
async def change(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """Do what a button of the page says, and show the page again."""
    actor = await need_operator(request, service)
    names = (
        "do", "tenant", "reason", "per_day", "per_minute", "job", "message", "network", "why",
        "days", "block",
    )  # fmt: skip
    form = await read_form(request, service, *names)
    refused = await _act(OperatorActions(service, actor), form, client_of(request.scope))
    if refused.errors:
        return await _show(service, reader, refused)
    return RedirectResponse(reader.link("/operator"), status_code=303)


async def _act(actions: OperatorActions, form: Form, own: str) -> Form:
    """Make the change that the form asks for; return the form with what is wrong with it."""
    tenant = form.text("tenant")
    match form.text("do"):
        case "suspend":
            reason = form.text("reason")
            if not reason or len(reason) > MAX_REASON:
                return form.refuse(reason=Message("operator-reason-missing", limit=MAX_REASON))
            await actions.suspend(tenant, reason)
        case "resume":
            await actions.resume(tenant)
        case "quota":
            limits = {name: _read_limit(form.text(name)) for name in ("per_day", "per_minute")}
            wrong = [name for name, most in limits.items() if most == _NO_LIMIT_READ]
            if wrong:
                return form.refuse(**{name: Message("operator-limit-invalid") for name in wrong})
            await actions.change_limits(tenant, Quota(**limits))
        case "hasten":
            job = form.text("job")
            if not (job.isascii() and job.isdecimal() and len(job) <= len(str(MAX_INTEGER))):
                raise Problem(404, Message("operator-job-unknown"))
            await actions.hasten(int(job))
        case "redeliver":
            await actions.redeliver(form.text("message"))
        case "give-up":
            await actions.give_up(form.text("message"))
        case "block":
            return await _block(actions, form, own)
        case "unblock":
            await actions.unblock(form.text("block"))
        case _:
            raise Problem(400, Message("form-malformed"))
    return form


async def _block(actions: OperatorActions, form: Form, own: str) -> Form:
    network, reason, days = form.text("network"), form.text("why"), form.text("days")
    wrong: dict[str, Message] = {}
    if not reason or len(reason) > MAX_REASON:
        wrong["why"] = Message("operator-block-reason-missing", limit=MAX_REASON)
    is_number = days.isascii() and days.isdecimal() and len(days) <= 3
    if not is_number or not 1 <= int(days) <= MAX_BLOCK_DAYS:
        wrong["days"] = Message("operator-days-invalid", limit=MAX_BLOCK_DAYS)
    try:
        read_network(network, own)
        if not wrong:
            await actions.block(network, reason, int(days), own)
    except Problem as problem:
        wrong["network"] = problem.detail
    return form.refuse(**wrong) if wrong else form


_NO_LIMIT_READ = -1


def _read_limit(text: str) -> int | None:
    """Return a quota: None if the field is empty, -1 if it is no number of evidence."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 12:
        return _NO_LIMIT_READ
    return int(text)


async def _show(service: Service, reader: Reader, form: Form) -> Response:
    at = utc_now()
    asked = reader.asked("after")[:64]
    listed = await view_tenants(service, at, after=asked, limit=LIST_ROWS + 1)
    tenants = make_list_page(listed.tenants, reader, "after", lambda row: row.tenant)
    jobs = await view_jobs(service, at, reader.language)
    outbox, storage = await view_outbox(service, at), await view_storage(service)
    values = {
        "here": "dashboard",
        "form": form,
        "most_reason": MAX_REASON,
        "most_days": MAX_BLOCK_DAYS,
        "tenants": tenants,
        "jobs": jobs,
        "addresses": await view_addresses(service, at),
        "copies": {each.tenant: format_bytes(each.copy_bytes) for each in tenants.rows},
        "copy_limit": None
        if service.vault is None
        else format_bytes(service.vault.config.tenant_bytes),
        "outbox": outbox,
        "messages": [
            {
                "id": each.message,
                "tenant": each.tenant,
                "is_mail": each.receiver == "mail",
                "event": NOTIFICATION_LABELS[each.event],
                "state": DELIVERY_STATES[each.state],
                "can_give_up": each.state == "waiting",
                "attempts": each.attempts,
                "tried_at": each.tried_at,
                "trouble": describe_trouble(each.trouble, each.status),
            }
            for each in outbox.messages
        ],
        "tables": [(name, format_bytes(size)) for name, size in list(storage.tables.items())[:12]],
        "disk": Message(
            "operator-disk",
            free=format_bytes(storage.disk_free),
            total=format_bytes(storage.disk_total),
        ),
    }
    return answer_page("operator.html", values, reader, status=422 if form.errors else 200)
