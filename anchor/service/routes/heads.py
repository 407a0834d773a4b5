"""``GET /v1/heads``: the log's states, and where each is anchored.  ``GET /v1/usage``: quotas."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from anchor.monitor.log_progress import load_log_progress
from anchor.service.auth import Administrator, Reader
from anchor.service.routes.status import describe_anchor
from anchor.service.schemas import Heads, SealedHeadDocument, UsageDocument, name_stage, problems
from anchor.service.worker import Service, service_of
from anchor.store.api_keys import load_limits, load_usage
from anchor.store.heads import find_anchored, load_heads_before
from anchor.system.clock import utc_now
from anchor.types import MAX_LOG_SIZE

router = APIRouter()


@router.get(
    "/v1/heads",
    summary="The log's heads, the newest first",
    tags=["log"],
    responses=problems(401, 403, 422),
)
async def heads(
    _key: Reader,
    service: Annotated[Service, Depends(service_of)],
    before: Annotated[
        int, Query(ge=1, le=MAX_LOG_SIZE + 1, description="Only heads smaller than this.")
    ] = MAX_LOG_SIZE + 1,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Heads:
    """List sealed heads with their anchors; a head without one is covered by a later one's."""
    service.check_chain()
    chain_id = service.project.config.chain_id

    def load() -> list[SealedHeadDocument]:
        reach = load_log_progress(service.project)
        with service.project.database.read() as connection:
            found = load_heads_before(connection, before, limit)
            anchored = [find_anchored(connection, chain_id, head) for head, _ in found]
        return [
            SealedHeadDocument(
                size=head.size,
                root=head.root.hex(),
                sealed_at=sealed_at,
                state=name_stage(reach.stage_of(head.size - 1)),
                anchor=None if anchor is None else describe_anchor(anchor),
            )
            for (head, sealed_at), anchor in zip(found, anchored, strict=True)
        ]

    found = await service.read(load)
    return Heads(heads=found, next=found[-1].size if len(found) == limit else None)


@router.get(
    "/v1/usage",
    summary="What the key's tenant submitted today, and may",
    tags=["usage"],
    responses=problems(401, 403, 422),
)
async def usage(key: Reader, service: Annotated[Service, Depends(service_of)]) -> UsageDocument:
    """Say how much new evidence was taken in today (UTC)."""
    day = utc_now()[:10]

    def load() -> int:
        with service.project.database.read() as connection:
            return sum(item.accepted for item in load_usage(connection, day, key.tenant))

    return UsageDocument(
        tenant=key.tenant,
        day=day,
        accepted=await service.read(load),
        per_day=key.limits.per_day,
        per_minute=key.limits.per_minute,
    )


@router.get(
    "/v1/tenants",
    summary="What every tenant submitted today, and may",
    tags=["usage"],
    responses=problems(401, 403, 422),
)
async def tenants(
    _key: Administrator, service: Annotated[Service, Depends(service_of)]
) -> list[UsageDocument]:
    """Say it for all tenants, by name."""
    day = utc_now()[:10]

    def load() -> list[UsageDocument]:
        with service.project.database.read() as connection:
            used = {item.tenant: item.accepted for item in load_usage(connection, day)}
            limits = load_limits(connection)
        return [
            UsageDocument(
                tenant=tenant,
                day=day,
                accepted=used.get(tenant, 0),
                per_day=limit.per_day,
                per_minute=limit.per_minute,
            )
            for tenant, limit in limits.items()
        ]

    return await service.read(load)
