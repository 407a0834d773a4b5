"""``POST /v1/bulk``: JSON lines, answered while they arrive.

Lines are written in transactions of some thousand.  Each answer is sent once its line is durable:
if the connection is lost, every answered line is stored, and every other line can be sent again.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anchor.base.messages.message import Message
from anchor.service.auth import Submitter
from anchor.service.bulk_answers import LINES
from anchor.service.bulk_stream import BulkAnswer
from anchor.service.request_body import check_length, check_media_type
from anchor.service.schemas import IdempotencyKey, problems
from anchor.service.submission import Origin
from anchor.service.worker import CurrentService

router = APIRouter(tags=["evidence"])

_LINE = (
    '{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",'
    '"name":"contract.pdf"}\n'
)
_ANSWER = (
    '{"line":1,"id":"9f86d081884c7d659a2feaa0c55ad0153b1de8ec6cd1b0ab2ed1a7c8a1d0a6a5",'
    '"state":"accepted","known":false}\n{"lines":1,"new":1,"known":0,"refused":0}\n'
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            LINES: {
                "schema": {"type": "string", "description": "A submission on each line."},
                "examples": {"lines": {"value": _LINE}},
            },
        },
    }
}


@router.post(
    "/v1/bulk",
    summary="Submit evidence in bulk, as JSON lines",
    response_class=Response,
    responses={
        200: {
            "description": "An answer to each line, as it is written: `line` with `id`, `state` "
            "and `known` (and `copies`, where more than one is kept), or with a `problem`. The "
            "last line counts them; where the last is a `problem` without `line`, the lines "
            "without an answer were not taken in.",
            "content": {
                LINES: {
                    "schema": {"type": "string"},
                    "examples": {"answers": {"value": _ANSWER}},
                },
            },
        },
        **problems(401, 403, 413, 415, 422, 429),
    },
    openapi_extra=_BODY,
)
async def submit_bulk(
    request: Request,
    caller: Submitter,
    service: CurrentService,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit any number of pieces of evidence: each line is a body of `POST /v1/evidence`.

    An invalid line is answered with a problem and does not affect the others. Repeated lines change
    nothing: they are answered as known. An `Idempotency-Key` applies to all lines: evidence that
    was submitted before without a key, or with another one, is then new.

    Read the answers while you send: the service stops reading while too many answers are unread.
    """
    check_media_type(request, LINES, "application/jsonl")
    service.check_intake()
    check_length(request, service.settings.max_bulk)
    log, block = service.project.config.log, await service.name_block()
    origin = Origin.of_request(caller.tenant, idempotency_key, log, block, actor=caller.actor)
    kind = Message("service-bulk-submissions")
    slot = service.take_slot(kind, caller.tenant, service.settings.max_bulks)
    return BulkAnswer(service, caller, origin, slot)
