"""``GET /v1/usage`` and ``GET /v1/tenants``: what tenants submitted today, and their quotas."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.base.system.clock import utc_now
from anchor.service.auth import Administrator, Reader
from anchor.service.pagination import AfterTenant, CurrentPage, PageLimit
from anchor.service.schemas import problems
from anchor.service.usage_schemas import TenantsUsageDocument, UsageDocument
from anchor.service.worker import CurrentService
from anchor.store.api_keys import TenantUsage, find_usage, load_usage

router = APIRouter(tags=["usage"])


@router.get(
    "/v1/usage",
    summary="What the key's tenant submitted today, and may",
    responses=problems(401, 403, 422),
)
async def usage(caller: Reader, service: CurrentService) -> UsageDocument:
    """Return how much new evidence the tenant submitted today (UTC), and its quotas."""
    day = utc_now()[:10]
    accepted = await service.query(find_usage, caller.tenant, day)
    return _describe(
        TenantUsage(tenant=caller.tenant, accepted=accepted, limits=caller.limits), day
    )


@router.get(
    "/v1/tenants",
    summary="What every tenant submitted today, and may",
    responses=problems(401, 403, 422),
)
async def tenants(
    _caller: Administrator,
    service: CurrentService,
    links: CurrentPage,
    after: AfterTenant = "",
    limit: PageLimit = 50,
) -> TenantsUsageDocument:
    """Return today's new evidence and the quotas of every tenant, sorted by name."""
    day = utc_now()[:10]
    used = await service.query(load_usage, day, after=after, limit=limit)
    following = used[-1].tenant if len(used) == limit else None
    links.name_next("after", following)
    return TenantsUsageDocument(tenants=[_describe(each, day) for each in used], next=following)


def _describe(used: TenantUsage, day: str) -> UsageDocument:
    return UsageDocument(
        tenant=used.tenant,
        day=day,
        accepted=used.accepted,
        per_day=used.limits.per_day,
        per_minute=used.limits.per_minute,
    )
