"""``GET /v1/evidence/{id}/receipt``: the receipt, as ``anchor prove`` writes it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from anchor.base.types import Stage
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import ReceiptDocument, encode_receipt
from anchor.service.auth import Reader
from anchor.service.downloads import prove_evidence
from anchor.service.evidence_status import has_reached, load_status, wait_for_stage
from anchor.service.file_names import NAMED_FILE, name_recorded_file
from anchor.service.problems import RETRY_LATER
from anchor.service.schemas import EvidenceStatusDocument, IdInPath, WaitSeconds, problems
from anchor.service.worker import CurrentService

router = APIRouter(tags=["evidence"])


@router.get(
    "/v1/evidence/{id}/receipt",
    summary="The receipt of a piece of evidence",
    response_class=Response,
    responses={
        200: {
            "model": ReceiptDocument,
            "headers": NAMED_FILE,
            "description": "The receipt (`anchor-receipt/1`), to be kept byte for byte. Until its "
            "anchor is final it holds the operator's promise instead.",
        },
        202: {"model": EvidenceStatusDocument, "description": "It is not as far as `until` yet."},
        **problems(401, 403, 404, 410, 422, 429),
    },
)
async def receipt(
    id: IdInPath,
    caller: Reader,
    service: CurrentService,
    wait: WaitSeconds = 0,
    until: Annotated[
        Literal["sealed", "anchored"],
        Query(description="Whether a promise will do, or only a final anchor."),
    ] = "sealed",
) -> Response:
    """Return the receipt of sealed evidence or, with `until=anchored`, of anchored evidence."""
    service.check_chain()
    goal = Stage(until)
    status = await wait_for_stage(service, caller, id, goal, wait)
    if not has_reached(status, goal):
        return _not_yet(status)
    proven = await prove_evidence(service, caller, id)
    # The operator accepted an incident meanwhile, so that the anchor is not final any more.
    if goal is Stage.ANCHORED and not proven.anchors:
        return _not_yet(await load_status(service, caller, id))
    headers = name_recorded_file(proven.record, id[:16], RECEIPT_SUFFIX)
    return Response(encode_receipt(proven), media_type="application/json", headers=headers)


def _not_yet(status: EvidenceStatusDocument) -> JSONResponse:
    return JSONResponse(status.model_dump(), status_code=202, headers=RETRY_LATER)
