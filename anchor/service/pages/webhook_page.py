"""``/tenants/TENANT/webhooks``: where the tenant is told about events, and what was delivered."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.notifications.event_types import NotificationType, parse_notification_type
from anchor.notifications.webhook_target import MAX_URL, parse_target
from anchor.service.caller import Caller
from anchor.service.pages.forms import Form, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.notification_labels import NOTIFICATION_LABELS, describe_delivery
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_caller
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService, Service
from anchor.store.deliveries import load_deliveries, send_again
from anchor.store.webhooks import (
    Webhook,
    change_webhook,
    create_webhook,
    find_webhook,
    load_webhooks,
    remove_webhook,
    rotate_secret,
)

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LIST, _ONE = "/tenants/{tenant}/webhooks", "/tenants/{tenant}/webhooks/{id}"


@router.get(_LIST)
async def webhooks_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Show the webhooks, and the form for a new one."""
    caller = await need_caller(request, service, tenant, "manage")
    return await _show(service, reader, caller, Form({"events": ("evidence.final",)}))


@router.post(_LIST)
async def add_webhook(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Make a webhook and show its secret, once."""
    caller = await need_caller(request, service, tenant, "manage")
    form = _check(service, await read_form(request, service, "url", several=("events",)))
    if form.errors:
        return await _show(service, reader, caller, form)
    url, events = form.text("url"), _read_events(form)
    shown, stored = await service.read(lambda: service.webhook_secrets.make(tenant))
    at = utc_now()
    try:
        await service.change(create_webhook, tenant, url, events, caller.actor, at, secret=stored)
    except UsageError as error:
        return await _show(service, reader, caller, form.refuse(whole=error.message))
    fresh = Form({"events": ("evidence.final",)})
    return await _show(service, reader, caller, fresh, secret=shown)


@router.get(_ONE)
async def webhook_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, id: str
) -> Response:
    """Show a webhook with its newest deliveries."""
    caller = await need_caller(request, service, tenant, "manage")
    webhook = await _find(service, caller, id)
    return await _show_one(service, reader, caller, webhook, _fill(webhook))


@router.post(_ONE)
async def change(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str, id: str
) -> Response:
    """Change or remove a webhook, rotate its secret, or send a message again."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "do", "url", "message", several=("events",))
    webhook = await _find(service, caller, id)
    at = utc_now()
    match form.text("do"):
        case "remove":
            await service.change(remove_webhook, tenant, id, caller.actor, at)
            return RedirectResponse(reader.link(f"/tenants/{tenant}/webhooks"), status_code=303)
        case "rotate":
            shown, stored = await service.read(lambda: service.webhook_secrets.make(tenant))
            await service.change(rotate_secret, tenant, id, caller.actor, at, secret=stored)
            webhook = await _find(service, caller, id)
            return await _show_one(service, reader, caller, webhook, _fill(webhook), secret=shown)
        case "send":
            if not await service.change(send_again, id, form.text("message"), at):
                whole = form.refuse(whole=Message("delivery-not-settled"))
                filled = Form(_fill(webhook).entered, whole.errors)
                return await _show_one(service, reader, caller, webhook, filled)
            service.deliveries.wake()
        case _:
            form = _check(service, form)
            if form.errors:
                return await _show_one(service, reader, caller, webhook, form)
            await service.change(
                change_webhook,
                tenant,
                id,
                caller.actor,
                at,
                url=form.text("url"),
                events=_read_events(form),
            )
    return RedirectResponse(reader.link(f"/tenants/{tenant}/webhooks/{id}"), status_code=303)


def _check(service: Service, form: Form) -> Form:
    """Return the form with what is wrong in it beside the fields."""
    try:
        parse_target(form.text("url"), allow_private=service.project.config.webhooks.allow_private)
    except UsageError as error:
        form = form.refuse(url=error.message)
    if not _read_events(form):
        form = form.refuse(events=Message("form-events-missing"))
    return form


def _read_events(form: Form) -> list[NotificationType]:
    """Return the events that are ticked; none if one of them is unknown."""
    events = [parse_notification_type(each) for each in form.entered.get("events", ())]
    known = [event for event in events if event is not None]
    return known if len(known) == len(events) else []


def _fill(webhook: Webhook) -> Form:
    return Form({"url": (webhook.url,), "events": webhook.events})


async def _find(service: Service, caller: Caller, id: str) -> Webhook:
    webhook = await service.query(find_webhook, caller.tenant, id)
    if webhook is None:
        raise Problem(404, Message("webhook-unknown"))
    return webhook


async def _show(
    service: Service, reader: Reader, caller: Caller, form: Form, *, secret: str | None = None
) -> Response:
    values: dict[str, object] = {
        "webhooks": await service.query(load_webhooks, caller.tenant),
        "secret": secret,
    }
    return _answer("webhooks.html", reader, caller, form, values)


async def _show_one(
    service: Service,
    reader: Reader,
    caller: Caller,
    webhook: Webhook,
    form: Form,
    *,
    secret: str | None = None,
) -> Response:
    deliveries = await service.query(load_deliveries, webhook.id)
    values = {
        "webhook": webhook,
        "has_two_secrets": len(webhook.secrets_at(utc_now())) > 1,
        "deliveries": [describe_delivery(each) for each in deliveries],
        "secret": secret,
    }
    return _answer("webhook.html", reader, caller, form, values)


def _answer(
    template: str, reader: Reader, caller: Caller, form: Form, values: dict[str, object]
) -> Response:
    values |= {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "labels": NOTIFICATION_LABELS,
        "max_url": MAX_URL,
        "form": form,
    }
    return answer_page(template, values, reader, status=422 if form.errors else 200)
