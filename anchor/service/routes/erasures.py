"""``POST /v1/evidence/{id}/erasure``: erasing evidence of the caller's tenant."""

from __future__ import annotations

from fastapi import APIRouter, Request

from anchor.service.auth import Manager
from anchor.service.evidence_erasure import erase_evidence
from anchor.service.people_schemas import (
    ErasedDocument,
    ErasureRequest,
    describe_body,
    read_document,
)
from anchor.service.schemas import IdInPath, problems
from anchor.service.worker import CurrentService

router = APIRouter(tags=["evidence"])


@router.post(
    "/v1/evidence/{id}/erasure",
    summary="Erase a piece of evidence",
    status_code=202,
    responses={
        202: {
            "description": "The record, its salt, name, digests, receipts and certificates are "
            "deleted; the daemon removes what is left on disk. The leaf stays."
        },
        **problems(401, 403, 404, 408, 409, 410, 413, 422),
    },
    openapi_extra=describe_body(ErasureRequest),
)
async def order(
    id: IdInPath, request: Request, caller: Manager, service: CurrentService
) -> ErasedDocument:
    """Erase evidence as `anchor erase` does; a statement of it becomes a record of the log."""
    asked = await read_document(request, service, ErasureRequest)
    leaf = await erase_evidence(service, caller, id, basis=asked.basis, reason=asked.reason)
    return ErasedDocument(id=id, leaf=leaf)
