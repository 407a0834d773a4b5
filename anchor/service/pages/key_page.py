"""``/tenants/TENANT/keys``: its API keys, made and revoked by its owners."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time, utc_now
from anchor.people.lifetimes import MAX_KEY_DAYS
from anchor.people.roles import GRANTED_SCOPES
from anchor.service.caller import Caller
from anchor.service.pages.forms import Form, read_days, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.list_page import load_list_page
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.people_labels import SCOPE_LABELS
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService, Service
from anchor.store.api_keys import describe_key_state
from anchor.store.tenant_keys import issue_key, load_tenant_keys, withdraw_key

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_DAYS = 365


@router.get("/tenants/{tenant}/keys")
async def keys_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Show the keys, and the form for a new one."""
    caller = await need_caller(request, service, tenant, "manage")
    return await _show(service, reader, caller, Form({"scopes": ("submit", "read")}))


@router.post("/tenants/{tenant}/keys")
async def change_keys(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Make a key and show it, once; or revoke one."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "days", "revoke", several=("scopes",))
    if form.text("revoke"):
        return await _revoke(service, reader, caller, form)
    scopes = form.entered.get("scopes", ())
    days = read_days(form, _DAYS, MAX_KEY_DAYS)
    if not scopes or not set(scopes) <= set(GRANTED_SCOPES):
        form = form.refuse(scopes=Message("form-scopes-missing"))
    if days is None:
        form = form.refuse(days=Message("form-days-invalid", limit=MAX_KEY_DAYS))
    if form.errors or days is None:
        return await _show(service, reader, caller, form)
    made_at = datetime.now(UTC)
    token = await service.change(
        issue_key,
        tenant,
        scopes,
        caller.actor,
        at=format_time(made_at),
        expires_at=format_time(made_at + timedelta(days=days)),
    )
    return await _show(service, reader, caller, Form({"scopes": ("submit", "read")}), token)


async def _revoke(service: Service, reader: Reader, caller: Caller, form: Form) -> Response:
    id = form.text("revoke")
    try:
        await service.change(withdraw_key, id, caller.actor, utc_now(), tenant=caller.tenant)
    except UsageError as error:
        raise Problem(404, error.message) from error
    return RedirectResponse(reader.link(f"/tenants/{caller.tenant}/keys"), status_code=303)


async def _show(
    service: Service, reader: Reader, caller: Caller, form: Form, token: str | None = None
) -> Response:
    at = utc_now()
    keys = await load_list_page(
        service, reader, "after", lambda key: (key.created_at, key.id),
        load_tenant_keys, caller.tenant,
    )  # fmt: skip
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "keys": keys,
        "states": {key.id: describe_key_state(key, at) for key in keys.rows},
        "now_at": at,
        "scopes": SCOPE_LABELS,
        "form": form,
        "token": token,
    }
    return answer_page("keys.html", values, reader, status=422 if form.errors else 200)
