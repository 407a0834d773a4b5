"""``POST /v1/evidence/{id}/erasure``: erasing evidence of the caller's tenant."""

from __future__ import annotations

from fastapi import APIRouter, Request

from anchor.errors import UsageError
from anchor.messages.message import Message
from anchor.operate.tenant_erasing import erase_own
from anchor.service.auth import Manager
from anchor.service.caller import Caller
from anchor.service.evidence_status import find_evidence
from anchor.service.people_schemas import (
    ErasedDocument,
    ErasureRequest,
    describe_body,
    read_document,
)
from anchor.service.problems import Problem
from anchor.service.schemas import IdInPath, problems
from anchor.service.worker import CurrentService, Service

router = APIRouter(tags=["evidence"])

_HELD = "erasure-refused-by-hold"


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
    return ErasedDocument(id=id, leaf=await erase_for(service, caller, id, asked))


async def erase_for(service: Service, caller: Caller, id: str, asked: ErasureRequest) -> str:
    """Erase a piece of the caller's tenant; return its leaf in hex.

    Raises:
        Problem: The tenant has no such evidence (404), it was erased (410), it must not be erased
            (409), or the order is malformed (422).
    """
    stored = await service.read(lambda: find_evidence(service, caller, id))

    def work() -> None:
        try:
            erase_own(
                service.project,
                caller.tenant,
                stored.identity,
                basis=asked.basis,
                reason=asked.reason,
                actor=caller.actor,
            )
        except UsageError as error:
            if error.message.id == _HELD:  # whose hold it is, and why, is the operator's
                raise Problem(409, Message("erasure-held")) from error
            refusals = ("erasure-of-shared-record", "erasure-of-audit-trail")
            status = 409 if error.message.id in refusals else 422
            raise Problem(status, error.message) from error

    await service.read(work)
    return stored.leaf.hex()
