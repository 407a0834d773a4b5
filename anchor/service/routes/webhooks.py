"""``/v1/webhooks``: where the caller's tenant is told about events, and what was delivered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.notifications.webhook_target import parse_target
from anchor.service.auth import Manager
from anchor.service.caller import Caller
from anchor.service.people_schemas import IdInPath, describe_body, read_document
from anchor.service.problems import FieldError, Problem
from anchor.service.schemas import problems
from anchor.service.webhook_schemas import (
    DeliveriesDocument,
    DeliveryDocument,
    MadeWebhookDocument,
    NewSecretDocument,
    WebhookDocument,
    WebhookRequest,
    WebhooksDocument,
)
from anchor.service.worker import CurrentService, Service
from anchor.store.deliveries import has_delivery, load_deliveries, send_again
from anchor.store.webhooks import (
    Webhook,
    change_webhook,
    create_webhook,
    find_webhook,
    load_webhooks,
    remove_webhook,
    rotate_secret,
)

router = APIRouter(tags=["webhooks"])

MessageInPath = Annotated[str, Path(max_length=64, description="The `webhook-id` of a message.")]


@router.get("/v1/webhooks", summary="The tenant's webhooks", responses=problems(401, 403, 404, 422))
async def webhooks(caller: Manager, service: CurrentService) -> WebhooksDocument:
    """List the webhooks, without their secrets."""
    rows = await service.query(load_webhooks, caller.tenant)
    at = utc_now()
    return WebhooksDocument(webhooks=[_describe(row, at) for row in rows])


@router.post(
    "/v1/webhooks",
    summary="Make a webhook",
    status_code=201,
    responses=problems(401, 403, 404, 408, 409, 413, 422),
    openapi_extra=describe_body(WebhookRequest),
)
async def make(request: Request, caller: Manager, service: CurrentService) -> MadeWebhookDocument:
    """Make a webhook with a secret, which cannot be shown again."""
    asked = await _read(request, service)
    shown, stored = await service.read(lambda: service.webhook_secrets.make(caller.tenant))
    at = utc_now()
    try:
        made = await service.change(
            create_webhook, caller.tenant, asked.url, asked.events, caller.actor, at, secret=stored
        )
    except UsageError as error:
        raise Problem(409, error.message) from error
    return MadeWebhookDocument(id=made.id, secret=shown)


@router.get("/v1/webhooks/{id}", summary="A webhook", responses=problems(401, 403, 404, 422))
async def webhook(id: IdInPath, caller: Manager, service: CurrentService) -> WebhookDocument:
    """Return a webhook of the tenant, without its secret."""
    return _describe(await _find(service, caller, id), utc_now())


@router.post(
    "/v1/webhooks/{id}",
    summary="Change a webhook",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 408, 413, 422),
    openapi_extra=describe_body(WebhookRequest),
)
async def change(id: IdInPath, request: Request, caller: Manager, service: CurrentService) -> None:
    """Give a webhook another URL and other events; one that is disabled is enabled."""
    asked = await _read(request, service)
    done = await service.change(
        change_webhook,
        caller.tenant,
        id,
        caller.actor,
        utc_now(),
        url=asked.url,
        events=asked.events,
    )
    if not done:
        raise _unknown()


@router.delete(
    "/v1/webhooks/{id}",
    summary="Remove a webhook",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422),
)
async def remove(id: IdInPath, caller: Manager, service: CurrentService) -> None:
    """Remove a webhook; messages that wait are not sent."""
    if not await service.change(remove_webhook, caller.tenant, id, caller.actor, utc_now()):
        raise _unknown()


@router.post(
    "/v1/webhooks/{id}/secret",
    summary="Rotate a webhook's secret",
    responses=problems(401, 403, 404, 422),
)
async def rotate(id: IdInPath, caller: Manager, service: CurrentService) -> NewSecretDocument:
    """Make a new secret; for a day, messages are signed with the former one, too."""
    shown, stored = await service.read(lambda: service.webhook_secrets.make(caller.tenant))
    at = utc_now()
    if not await service.change(rotate_secret, caller.tenant, id, caller.actor, at, secret=stored):
        raise _unknown()
    return NewSecretDocument(secret=shown)


@router.get(
    "/v1/webhooks/{id}/deliveries",
    summary="What was sent to a webhook",
    responses=problems(401, 403, 404, 422),
)
async def deliveries(id: IdInPath, caller: Manager, service: CurrentService) -> DeliveriesDocument:
    """List the newest hundred messages with their last attempt, newest first."""
    row = await _find(service, caller, id)
    return DeliveriesDocument(
        deliveries=[
            DeliveryDocument(
                message=each.message,
                event=each.event,
                state=each.state,
                made_at=each.made_at,
                attempts=each.attempts,
                tried_at=each.tried_at,
                due_at=each.due_at,
                status=each.status,
                trouble=each.trouble,
            )
            for each in await service.query(load_deliveries, row.id)
        ]
    )


@router.post(
    "/v1/webhooks/{id}/deliveries/{message}",
    summary="Send a message again",
    status_code=202,
    response_class=Response,
    responses=problems(401, 403, 404, 409, 422),
)
async def redeliver(
    id: IdInPath, message: MessageInPath, caller: Manager, service: CurrentService
) -> None:
    """Send a message that was delivered or given up again, with the same `webhook-id`."""
    row = await _find(service, caller, id)
    if not await service.change(send_again, row.id, message, utc_now()):
        if not await service.query(has_delivery, row.id, message):
            raise Problem(404, Message("delivery-unknown"))
        raise Problem(409, Message("delivery-not-settled"))
    service.deliveries.wake()


async def _read(request: Request, service: Service) -> WebhookRequest:
    asked = await read_document(request, service, WebhookRequest)
    try:
        parse_target(asked.url, allow_private=service.project.config.webhooks.allow_private)
    except UsageError as error:
        fault = FieldError("/url", error.message)
        raise Problem(422, Message("request-body-invalid"), errors=[fault]) from error
    return asked


async def _find(service: Service, caller: Caller, id: str) -> Webhook:
    row = await service.query(find_webhook, caller.tenant, id)
    if row is None:
        raise _unknown()
    return row


def _unknown() -> Problem:
    return Problem(404, Message("webhook-unknown"))


def _describe(row: Webhook, at: str) -> WebhookDocument:
    return WebhookDocument(
        id=row.id,
        url=row.url,
        events=list(row.events),
        state="enabled" if row.disabled_at is None else "disabled",
        made_at=row.made_at,
        failing_since=row.failing_since,
        disabled_at=row.disabled_at,
        two_secrets_until=row.former_until if len(row.secrets_at(at)) > 1 else None,
    )
