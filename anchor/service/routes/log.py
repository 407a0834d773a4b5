"""The public log: checkpoint, tiles and the list of anchors, at the paths that C2SP defines."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response

from anchor.base.messages.message import Message
from anchor.log.publication import ALWAYS_ASK, CHECKPOINT, FOR_EVER, media_type_of
from anchor.service.problems import Problem
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService, Service

router = APIRouter(tags=["public log"])

_TEXT: dict[str, Any] = {"text/plain; charset=utf-8": {"schema": {"type": "string"}}}
_BYTES: dict[str, Any] = {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
}


@router.get(
    "/checkpoint",
    summary="The newest final head, signed by the log's key",
    response_class=Response,
    responses={200: {"content": _TEXT}, **problems(404)},
)
async def checkpoint(service: CurrentService) -> Response:
    """Return the checkpoint (C2SP `tlog-checkpoint`) of the newest head whose anchor is final."""
    return await _serve(service, CHECKPOINT)


@router.get(
    "/tile/{path:path}",
    summary="A tile of the log's hashes",
    response_class=Response,
    responses={200: {"content": _BYTES}, **problems(404)},
)
async def tile(
    path: Annotated[str, Path(examples=["0/000", "0/000.p/8"])],
    service: CurrentService,
) -> Response:
    """Return a hash tile (C2SP `tlog-tiles`) of the log up to the checkpoint's size."""
    return await _serve(service, f"tile/{path}")


@router.get(
    "/anchors/{number}",
    summary="A part of the list of anchored heads",
    response_class=Response,
    responses={200: {"content": _TEXT}, **problems(404)},
)
async def anchors(
    number: Annotated[str, Path(examples=["000"])],
    service: CurrentService,
) -> Response:
    """Return up to 512 anchored heads, each on a line with its size and root."""
    return await _serve(service, f"anchors/{number}")


async def _serve(service: Service, path: str) -> Response:
    data, is_fixed = await service.read_published(path)
    if data is None:
        raise Problem(404, Message("publication-has-no-such-file"))
    headers = {
        "Cache-Control": FOR_EVER if is_fixed else ALWAYS_ASK,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return Response(data, media_type=media_type_of(path), headers=headers)
