"""``/v1/evidence/{id}/copy``: the copy of a piece of evidence that the tenant keeps."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from anchor.service.auth import Manager, Reader
from anchor.service.copy_download import answer_copy
from anchor.service.copy_removal import remove_copy
from anchor.service.file_names import NAMED_FILE
from anchor.service.schemas import IdInPath, problems
from anchor.service.worker import CurrentService

router = APIRouter(tags=["copies"])

_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
Range = Annotated[
    str | None, Header(alias="Range", description="`bytes=FIRST-LAST`; one range is answered.")
]


@router.get(
    "/v1/evidence/{id}/copy",
    summary="The copy of the original that the tenant keeps",
    response_class=Response,
    responses={
        200: {
            "content": _FILE,
            "headers": NAMED_FILE,
            "description": "Byte for byte what was compared and kept.",
        },
        206: {"content": _FILE, "description": "The range that was asked for."},
        **problems(401, 403, 404, 409, 410, 416, 422),
    },
)
async def read(
    id: IdInPath, caller: Reader, service: CurrentService, range: Range = None
) -> Response:
    """Return the original, decrypted while it is sent; the audit trail says who read it.

    If a part of it is damaged in the object store, the connection ends before the last byte.
    """
    return await answer_copy(service, caller, id, range)


@router.delete(
    "/v1/evidence/{id}/copy",
    summary="Delete the copy of the original",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 409, 410, 422),
)
async def remove(id: IdInPath, caller: Manager, service: CurrentService) -> Response:
    """Destroy the copy's key at once; its objects are removed next. The evidence stays."""
    await remove_copy(service, caller, id)
    return Response(status_code=204)
