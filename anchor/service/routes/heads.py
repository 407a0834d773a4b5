"""``GET /v1/heads``: the sealed heads of the log, and their anchors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from anchor.base.types import MAX_LOG_SIZE
from anchor.monitor.log_progress import load_log_progress
from anchor.service.auth import Reader
from anchor.service.evidence_status import describe_anchor
from anchor.service.head_schemas import Heads, SealedHeadDocument
from anchor.service.pagination import CurrentPage
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService
from anchor.store.heads import find_anchored
from anchor.store.statistics import load_newest_heads

router = APIRouter(tags=["log"])


@router.get(
    "/v1/heads",
    summary="The log's heads, the newest first",
    responses=problems(401, 403, 422),
)
async def heads(
    _caller: Reader,
    service: CurrentService,
    links: CurrentPage,
    before: Annotated[
        int, Query(ge=1, le=MAX_LOG_SIZE + 1, description="Only heads smaller than this.")
    ] = MAX_LOG_SIZE + 1,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Heads:
    """List sealed heads with their anchors; a later anchor covers a head without its own."""
    service.check_chain()
    chain_id = service.project.config.chain_id

    def load() -> list[SealedHeadDocument]:
        reach = load_log_progress(service.project)
        with service.project.database.read() as connection:
            rows = load_newest_heads(connection, limit, below=before)
            anchored = [find_anchored(connection, chain_id, row.head) for row in rows]
        return [
            SealedHeadDocument(
                size=row.head.size,
                root=row.head.root.hex(),
                sealed_at=row.sealed_at,
                state=reach.stage_of(row.head.size - 1).value,
                anchor=None if anchor is None else describe_anchor(anchor, service.project.config),
            )
            for row, anchor in zip(rows, anchored, strict=True)
        ]

    rows = await service.read(load)
    following = rows[-1].size if len(rows) == limit else None
    links.name_next("before", following)
    return Heads(heads=rows, next=following)
