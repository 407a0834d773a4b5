"""``GET /v1/usage`` and ``GET /v1/tenants``: what tenants submitted today, and their quotas."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.auth import Administrator, Reader
from anchor.service.pagination import AfterTenant, CurrentPage, PageLimit
from anchor.service.schemas import problems
from anchor.service.usage_schemas import TenantsUsageDocument, UsageDocument
from anchor.service.worker import CurrentService
from anchor.store.api_keys import Quota, load_limits, load_usage
from anchor.system.clock import utc_now

router = APIRouter(tags=["usage"])


@router.get(
    "/v1/usage",
    summary="What the key's tenant submitted today, and may",
    responses=problems(401, 403, 422),
)
async def usage(caller: Reader, service: CurrentService) -> UsageDocument:
    """Return how much new evidence the tenant submitted today (UTC), and its quotas."""
    day = utc_now()[:10]
    used = await service.query(load_usage, day)
    return _describe(caller.tenant, day, used.get(caller.tenant, 0), caller.limits)


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
    quotas = await service.query(load_limits, after=after, limit=limit)
    used = await service.query(load_usage, day)
    following = list(quotas)[-1] if len(quotas) == limit else None
    links.name_next("after", following)
    return TenantsUsageDocument(
        tenants=[
            _describe(tenant, day, used.get(tenant, 0), quota) for tenant, quota in quotas.items()
        ],
        next=following,
    )


def _describe(tenant: str, day: str, accepted: int, limits: Quota) -> UsageDocument:
    return UsageDocument(
        tenant=tenant,
        day=day,
        accepted=accepted,
        per_day=limits.per_day,
        per_minute=limits.per_minute,
    )
