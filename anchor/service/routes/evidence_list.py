"""``GET /v1/evidence``: the caller's evidence, newest first and page by page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Stage, StageName
from anchor.monitor.tenant_listing import (
    ListingFilter,
    TenantEvidence,
    list_tenant_evidence,
    parse_bound,
)
from anchor.project.config import Config
from anchor.service.auth import Reader
from anchor.service.evidence_status import describe_anchor, describe_retention
from anchor.service.pagination import CurrentPage
from anchor.service.problems import FieldError, Problem
from anchor.service.schemas import EvidenceList, ListedEvidenceDocument, problems
from anchor.service.worker import CurrentService

router = APIRouter(tags=["evidence"])

_LIMIT = 50
_MOST = 100
_TIME = "A day (2026-01-31) or a moment (2026-01-31T12:00:00Z), in UTC."


@router.get(
    "/v1/evidence",
    summary="The tenant's evidence, newest first",
    responses=problems(401, 403, 422),
)
async def evidence_list(
    caller: Reader,
    service: CurrentService,
    links: CurrentPage,
    cursor: Annotated[
        str | None, Query(max_length=64, description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = _LIMIT,
    accepted_from: Annotated[
        str | None, Query(max_length=40, description=f"Accepted then or later. {_TIME}")
    ] = None,
    accepted_to: Annotated[
        str | None, Query(max_length=40, description=f"Accepted then or earlier. {_TIME}")
    ] = None,
    state: Annotated[StageName | None, Query(description="Only evidence in this state.")] = None,
) -> EvidenceList:
    """Return a page of the tenant's evidence; what was erased is not the tenant's any more.

    What is accepted meanwhile does not move the pages.
    """
    listing = ListingFilter(
        since=_parse("accepted_from", accepted_from),
        before=_parse("accepted_to", accepted_to, is_end=True),
        stage=None if state is None else Stage(state),
    )
    try:
        page = await service.read(
            lambda: list_tenant_evidence(
                service.project, caller.tenant, listing, most=limit, cursor=cursor
            )
        )
    except MalformedError as error:
        raise _refuse("cursor", error) from error
    if any(piece.stage is Stage.ANCHORED for piece in page.evidence):
        service.check_chain()
    links.name_next("cursor", page.next)
    config = service.project.config
    return EvidenceList(
        evidence=[_describe(piece, config) for piece in page.evidence], next=page.next
    )


def _parse(name: str, text: str | None, *, is_end: bool = False) -> str | None:
    try:
        return None if text is None else parse_bound(text, is_end=is_end)
    except MalformedError as error:
        raise _refuse(name, error) from error


def _refuse(name: str, error: MalformedError) -> Problem:
    errors = [FieldError(name, error.message)]
    return Problem(422, Message("request-parameter-invalid"), errors=errors)


def _describe(piece: TenantEvidence, config: Config) -> ListedEvidenceDocument:
    record = piece.record
    return ListedEvidenceDocument(
        id=piece.identity.hex(),
        number=None if record is None else record.number,
        name=None if record is None else record.name,
        size=None if record is None else record.digests.size,
        accepted_at=piece.accepted_at,
        state=piece.stage.value,
        index=None if piece.stage is Stage.ACCEPTED else piece.index,
        anchor=None if piece.anchored is None else describe_anchor(piece.anchored, config),
        retention=describe_retention(piece.retention),
    )
