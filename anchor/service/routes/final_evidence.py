"""``GET /v1/final-evidence``: the tenant's evidence whose anchor is final, in the log's order."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.service.auth import Reader
from anchor.service.pagination import CurrentPage
from anchor.service.schemas import problems
from anchor.service.webhook_schemas import (
    AfterIndex,
    FinalEvidenceDocument,
    FinalLimit,
    FinalPieceDocument,
)
from anchor.service.worker import CurrentService
from anchor.store.final_evidence import FinalPage, load_final_page
from anchor.store.heads import newest_final_anchor

router = APIRouter(tags=["evidence"])


@router.get(
    "/v1/final-evidence",
    summary="Evidence that is anchored finally, in the order of the log",
    responses=problems(401, 403, 422, 503),
)
async def final_evidence(
    caller: Reader,
    service: CurrentService,
    links: CurrentPage,
    after: AfterIndex = 0,
    limit: FinalLimit = 100,
) -> FinalEvidenceDocument:
    """Return a page; one may have less evidence than asked for, or none, and not be the last."""
    service.check_chain()

    def load() -> tuple[FinalPage, int]:
        with service.project.database.read() as connection:
            final = newest_final_anchor(connection, service.project.config.chain_id)
            end = 0 if final is None else final.head.size
            return load_final_page(connection, caller.tenant, after, end, limit), end

    page, end = await service.read(load)
    is_last = page.following >= end
    links.name_next("after", None if is_last else page.following)
    return FinalEvidenceDocument(
        evidence=[
            FinalPieceDocument(id=identity.hex(), index=index) for index, identity in page.pieces
        ],
        next=page.following,
        is_last=is_last,
        final_after_blocks=service.project.config.final_after,
    )
