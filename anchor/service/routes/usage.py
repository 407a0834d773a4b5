"""``GET /v1/usage`` and ``GET /v1/tenants``: what tenants submitted today, and their quotas."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.auth import Administrator, Reader
from anchor.service.schemas import UsageDocument, problems
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
async def tenants(_caller: Administrator, service: CurrentService) -> list[UsageDocument]:
    """Return today's new evidence and the quotas of every tenant, sorted by name."""
    day = utc_now()[:10]

    def load() -> list[UsageDocument]:
        with service.project.database.read() as connection:
            used = load_usage(connection, day)
            limits = load_limits(connection)
        return [
            _describe(tenant, day, used.get(tenant, 0), limit) for tenant, limit in limits.items()
        ]

    return await service.read(load)


def _describe(tenant: str, day: str, accepted: int, limits: Quota) -> UsageDocument:
    return UsageDocument(
        tenant=tenant,
        day=day,
        accepted=accepted,
        per_day=limits.per_day,
        per_minute=limits.per_minute,
    )
