"""``/v1/operator``: all tenants, jobs and messages, for keys with the scope ``admin``."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from anchor.base.system.clock import utc_now
from anchor.service.auth import Administrator
from anchor.service.client_address import client_of
from anchor.service.operator_actions import OperatorActions
from anchor.service.operator_reports import (
    view_addresses,
    view_jobs,
    view_outbox,
    view_storage,
    view_tenants,
)
from anchor.service.operator_schemas import (
    AddressesDocument,
    BlockDocument,
    BlockInPath,
    BlockRequest,
    JobInPath,
    JobsDocument,
    MessageInPath,
    OutboxDocument,
    QuotaRequest,
    StorageDocument,
    SuspensionRequest,
    TenantAccountsDocument,
    TenantInPath,
)
from anchor.service.pagination import AfterTenant, CurrentPage, PageLimit
from anchor.service.people_schemas import describe_body, read_document
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService
from anchor.store.api_keys import Quota

router = APIRouter(tags=["operator"])

_READING = problems(401, 403, 404, 422)
_CHANGING = problems(401, 403, 404, 408, 413, 422)


@router.get("/v1/operator/tenants", summary="Every tenant with its figures", responses=_READING)
async def tenants(
    _caller: Administrator,
    service: CurrentService,
    links: CurrentPage,
    after: AfterTenant = "",
    limit: PageLimit = 50,
) -> TenantAccountsDocument:
    """Return members, keys, evidence, quotas and suspension of every tenant, sorted by name."""
    page = await view_tenants(service, utc_now(), after=after, limit=limit)
    links.name_next("after", page.next)
    return page


@router.put(
    "/v1/operator/tenants/{tenant}/quota",
    summary="Change a tenant's quotas",
    status_code=204,
    response_class=Response,
    responses=_CHANGING,
    openapi_extra=describe_body(QuotaRequest),
)
async def change_quota(
    tenant: TenantInPath, request: Request, caller: Administrator, service: CurrentService
) -> None:
    """Give a tenant other quotas; they apply within two seconds."""
    asked = await read_document(request, service, QuotaRequest)
    limits = Quota(per_day=asked.per_day, per_minute=asked.per_minute)
    await OperatorActions(service, caller.actor).change_limits(tenant, limits)


@router.put(
    "/v1/operator/tenants/{tenant}/suspension",
    summary="Suspend a tenant",
    status_code=204,
    response_class=Response,
    responses=_CHANGING,
    openapi_extra=describe_body(SuspensionRequest),
)
async def suspend(
    tenant: TenantInPath, request: Request, caller: Administrator, service: CurrentService
) -> None:
    """Refuse a tenant's keys and people within two seconds; its owners can still read."""
    asked = await read_document(request, service, SuspensionRequest)
    await OperatorActions(service, caller.actor).suspend(tenant, asked.reason)


@router.delete(
    "/v1/operator/tenants/{tenant}/suspension",
    summary="End a tenant's suspension",
    status_code=204,
    response_class=Response,
    responses=_READING,
)
async def resume(tenant: TenantInPath, caller: Administrator, service: CurrentService) -> None:
    """Accept a suspended tenant's keys and people again."""
    await OperatorActions(service, caller.actor).resume(tenant)


@router.get("/v1/operator/jobs", summary="Jobs by kind, and failing ones", responses=_READING)
async def jobs(_caller: Administrator, service: CurrentService) -> JobsDocument:
    """Return how many jobs wait, and those that failed."""
    return await view_jobs(service, utc_now())


@router.post(
    "/v1/operator/jobs/{id}",
    summary="Try a failing job now",
    status_code=204,
    response_class=Response,
    responses=_READING,
)
async def hasten(id: JobInPath, caller: Administrator, service: CurrentService) -> None:
    """Try a job that failed now instead of later."""
    await OperatorActions(service, caller.actor).hasten(id)


@router.get("/v1/operator/outbox", summary="Messages that failed", responses=_READING)
async def outbox(_caller: Administrator, service: CurrentService) -> OutboxDocument:
    """Return how many messages wait and failed, and which failed."""
    return await view_outbox(service, utc_now())


@router.post(
    "/v1/operator/outbox/{message}",
    summary="Send a message that failed again",
    status_code=204,
    response_class=Response,
    responses=_READING,
)
async def redeliver(message: MessageInPath, caller: Administrator, service: CurrentService) -> None:
    """Send a message that failed now, under the same id."""
    await OperatorActions(service, caller.actor).redeliver(message)


@router.delete(
    "/v1/operator/outbox/{message}",
    summary="Give a message up",
    status_code=204,
    response_class=Response,
    responses=_READING,
)
async def give_up(message: MessageInPath, caller: Administrator, service: CurrentService) -> None:
    """Give a message up that failed and waits for another attempt."""
    await OperatorActions(service, caller.actor).give_up(message)


@router.get("/v1/operator/addresses", summary="Blocked and limited addresses", responses=_READING)
async def addresses(_caller: Administrator, service: CurrentService) -> AddressesDocument:
    """Return what is blocked, and the addresses that exceeded limits within a week."""
    return await view_addresses(service, utc_now())


@router.post(
    "/v1/operator/blocks",
    summary="Block an address or network",
    status_code=201,
    responses=problems(401, 403, 404, 408, 409, 413, 422),
    openapi_extra=describe_body(BlockRequest),
)
async def block(request: Request, caller: Administrator, service: CurrentService) -> BlockDocument:
    """Answer nobody from an address or network; it applies within two seconds."""
    asked = await read_document(request, service, BlockRequest)
    blocked = await OperatorActions(service, caller.actor).block(
        asked.network, asked.reason, asked.days, client_of(request.scope)
    )
    return BlockDocument(**asdict(blocked))


@router.delete(
    "/v1/operator/blocks/{block}",
    summary="End a block",
    status_code=204,
    response_class=Response,
    responses=_READING,
)
async def unblock(block: BlockInPath, caller: Administrator, service: CurrentService) -> None:
    """Answer an address or network again."""
    await OperatorActions(service, caller.actor).unblock(block)


@router.get("/v1/operator/storage", summary="Bytes of the store and the disk", responses=_READING)
async def storage(_caller: Administrator, service: CurrentService) -> StorageDocument:
    """Return the room that the store takes, and that is left."""
    return await view_storage(service)
