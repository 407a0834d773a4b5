"""``/v1/evidence/{id}/retention``: until when a piece of evidence is kept."""

from __future__ import annotations

from fastapi import APIRouter, Request

from anchor.service.auth import Manager
from anchor.service.evidence_retention import change_retention
from anchor.service.evidence_status import load_status
from anchor.service.people_schemas import RetentionRequest, describe_body, read_document
from anchor.service.schemas import EvidenceStatusDocument, IdInPath, problems
from anchor.service.worker import CurrentService

router = APIRouter(tags=["evidence"])


@router.put(
    "/v1/evidence/{id}/retention",
    summary="Set until when it is kept",
    responses=problems(401, 403, 404, 408, 410, 413, 422),
    openapi_extra=describe_body(RetentionRequest),
)
async def set_date(
    id: IdInPath, request: Request, caller: Manager, service: CurrentService
) -> EvidenceStatusDocument:
    """Set a retention date, never earlier than the one in the record; return the status."""
    asked = await read_document(request, service, RetentionRequest)
    await change_retention(service, caller, id, asked.until)
    return await load_status(service, caller, id)


@router.delete(
    "/v1/evidence/{id}/retention",
    summary="Remove the date that was set",
    responses=problems(401, 403, 404, 410, 422),
)
async def remove_date(
    id: IdInPath, caller: Manager, service: CurrentService
) -> EvidenceStatusDocument:
    """Remove the date that an owner set; the one in the record stays. Return the status."""
    await change_retention(service, caller, id, None)
    return await load_status(service, caller, id)
