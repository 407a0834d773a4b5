"""``GET /v1/notices/{record}``: the receipt of the notice about a record."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.operate.record_notices import find_notice
from anchor.receipt.format import ReceiptDocument, encode_receipt
from anchor.service.file_names import NAMED_FILE, name_download
from anchor.service.problems import Problem
from anchor.service.schemas import DIGEST_PATTERN, problems
from anchor.service.worker import CurrentService, Service
from anchor.store.evidence import StoredEvidence

router = APIRouter(tags=["notices"])


@router.get(
    "/v1/notices/{record}",
    summary="Whether a record is superseded or withdrawn",
    response_class=Response,
    responses={
        200: {
            "model": ReceiptDocument,
            "headers": NAMED_FILE,
            "description": "The receipt (`anchor-receipt/1`) of the notice that says so. Until its "
            "anchor is final it holds the operator's promise instead.",
        },
        **problems(404, 409, 422),
    },
)
async def notice(
    record: Annotated[
        str,
        Path(
            pattern=DIGEST_PATTERN,
            description="The SHA-256 of the record, which only its holders know: it has a salt.",
        ),
    ],
    service: CurrentService,
) -> Response:
    """Return the receipt of the notice about a record; 404 if the log has none of that record."""
    service.check_chain()
    stored = await service.read(lambda: _find(service, bytes.fromhex(record)))
    if stored is None:
        raise Problem(404, Message("notice-none-known"))
    if stored.leaf_index is None:
        raise Problem(409, Message("notice-not-sealed"))
    proven = await service.receipt_builder.prove(stored)
    headers = name_download(f"notice-{record[:16]}.anchor.json")
    return Response(encode_receipt(proven), media_type="application/json", headers=headers)


def _find(service: Service, record: bytes) -> StoredEvidence | None:
    with service.project.database.read() as connection:
        try:
            pair = find_notice(connection, record)
        except CannotCheckError as error:
            # Not 410, which verifiers take for "there is none".
            raise Problem(409, error.message) from error
    return None if pair is None else pair[0]
