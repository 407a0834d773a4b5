"""``/v1/uploads``: resumable upload of copies by tus 1.0: core, creation, expiration, termination.

https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.clock import parse_time, utc_now
from anchor.evidence.record import parse_record
from anchor.keeping.upload_rules import (
    TUS_VERSION,
    UPLOAD_SECONDS,
    parse_length,
    parse_metadata,
)
from anchor.operate.copy_vault import CopyVault
from anchor.people.lifetimes import later
from anchor.service.caller import Caller
from anchor.service.copy_download import need_vault
from anchor.service.evidence_status import find_evidence
from anchor.service.problems import CLOSE, FieldError, Problem
from anchor.service.request_body import check_media_type
from anchor.service.schemas import problems
from anchor.service.tus_protocol import TusRoute, Uploader
from anchor.service.upload_intake import UploadIntake
from anchor.service.upload_schemas import (
    UploadInPath,
    UploadLength,
    UploadMetadata,
    UploadOffset,
    tus_headers,
    upload_address,
)
from anchor.service.worker import CurrentService, Service
from anchor.store.evidence import StoredEvidence
from anchor.store.kept_copies import (
    KeptCopy,
    OverCopyQuota,
    begin_copy,
    end_upload,
    find_copy,
    new_copy_id,
)

_EXTENSIONS = "creation,expiration,termination"
_BODY = "application/offset+octet-stream"
# Uploads of one tenant in a worker at the same time; each takes some 30 MiB of memory.
_MOST_UPLOADS = 4


router = APIRouter(tags=["copies"], route_class=TusRoute)


@router.options(
    "/v1/uploads",
    summary="What the service knows of tus",
    status_code=204,
    response_class=Response,
    responses={204: {"headers": tus_headers("Tus-Version", "Tus-Extension")}, **problems()},
)
async def describe() -> Response:
    """Return version and extensions of the protocol."""
    headers = {"Tus-Version": TUS_VERSION, "Tus-Extension": _EXTENSIONS}
    return Response(status_code=204, headers=headers)


@router.post(
    "/v1/uploads",
    summary="Begin to upload a copy of a piece of evidence",
    status_code=201,
    response_class=Response,
    responses={
        201: {
            "headers": tus_headers("Location", "Upload-Expires"),
            "description": "The upload, which has counted against the tenant's bytes since.",
        },
        **problems(401, 403, 404, 409, 410, 412, 413, 422),
    },
)
async def create(
    caller: Uploader,
    service: CurrentService,
    upload_length: UploadLength = None,
    upload_metadata: UploadMetadata = None,
) -> Response:
    """Begin an upload; an upload of the same evidence that is under way is returned again.

    The copy is compared with the evidence once its last byte has arrived: `kept_copy` of
    `GET /v1/evidence/{id}` says what came of it.
    """
    vault = need_vault(service)
    length, identity = _read_creation(upload_length, upload_metadata)
    stored = await service.read(lambda: find_evidence(service, caller, identity.hex()))
    _check_size(stored, length)
    copy = await _begin(service, vault, caller, identity, length)
    if copy.length != length or copy.state not in ("receiving", "checking"):
        raise Problem(409, Message("upload-copy-exists"))
    service.copy_jobs.wake()
    headers = {"Location": upload_address(copy.id), "Upload-Expires": _format_expiry(copy)}
    return Response(status_code=201, headers=headers)


@router.head(
    "/v1/uploads/{upload}",
    summary="How far an upload is",
    response_class=Response,
    responses={
        200: {"headers": tus_headers("Upload-Offset", "Upload-Length", "Upload-Expires")},
        **problems(401, 403, 404, 412, 422),
    },
)
async def offset(
    upload: UploadInPath,
    caller: Uploader,
    service: CurrentService,
) -> Response:
    """Return how many bytes have arrived."""
    copy = await _find(service, caller, upload)
    headers = {
        "Upload-Offset": str(copy.received),
        "Upload-Length": str(copy.length),
        "Cache-Control": "no-store",
    }
    if copy.state == "receiving":
        headers["Upload-Expires"] = _format_expiry(copy)
    return Response(status_code=200, headers=headers)


@router.patch(
    "/v1/uploads/{upload}",
    summary="Send the next bytes of an upload",
    status_code=204,
    response_class=Response,
    responses={
        204: {"headers": tus_headers("Upload-Offset", "Upload-Expires")},
        **problems(401, 403, 404, 408, 409, 412, 413, 422),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {_BODY: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def append(
    upload: UploadInPath,
    request: Request,
    caller: Uploader,
    service: CurrentService,
    upload_offset: UploadOffset = None,
) -> Response:
    """Store the bytes from `Upload-Offset` on, which is where the earlier ones end.

    What has arrived when the connection breaks is stored; ask for the offset, and go on there.
    """
    check_media_type(request, _BODY)
    start = _read_number(upload_offset, "Upload-Offset")
    copy = await _find(service, caller, upload)
    if copy.received != start or copy.state != "receiving":
        raise Problem(409, Message("upload-offset-wrong", offset=copy.received), headers=CLOSE)
    length = request.headers.get("Content-Length", "0")
    if not length.isdigit() or int(length) > copy.length - start:
        raise Problem(413, Message("upload-too-long"), headers=CLOSE)
    intake = UploadIntake(service, copy)
    with service.take_slot(Message("service-uploads"), caller.tenant, _MOST_UPLOADS):
        await intake.receive(request, caller)
    headers = {"Upload-Offset": str(intake.copy.received)}
    if intake.copy.state == "receiving":
        headers["Upload-Expires"] = _format_expiry(intake.copy)
    return Response(status_code=204, headers=headers)


@router.delete(
    "/v1/uploads/{upload}",
    summary="End an upload that is not complete",
    status_code=204,
    response_class=Response,
    responses={204: {"headers": tus_headers()}, **problems(401, 403, 404, 409, 412, 422)},
)
async def terminate(
    upload: UploadInPath,
    caller: Uploader,
    service: CurrentService,
) -> Response:
    """Delete what has arrived; a copy that is complete is deleted with its evidence's address."""
    copy = await _find(service, caller, upload)
    if not await service.change(end_upload, copy.id, at=utc_now()):
        raise Problem(409, Message("upload-complete"))
    service.copy_jobs.wake()
    return Response(status_code=204)


async def _begin(
    service: Service, vault: CopyVault, caller: Caller, identity: bytes, length: int
) -> KeptCopy:
    id, at = new_copy_id(), utc_now()
    wrapped = await asyncio.to_thread(vault.make_key, caller.tenant, id)
    begin = partial(
        begin_copy,
        id=id,
        tenant=caller.tenant,
        identity=identity,
        length=length,
        wrapped_key=wrapped,
        actor=caller.actor,
        at=at,
        expires_at=later(at, UPLOAD_SECONDS),
        limit=vault.config.tenant_bytes,
    )
    try:
        return await service.change(begin)
    except OverCopyQuota as error:
        text = Message("copies-quota-exceeded", used=error.used, limit=error.limit)
        raise Problem(413, text) from error


async def _find(service: Service, caller: Caller, upload: str) -> KeptCopy:
    """Return a copy of the caller's tenant that is neither refused nor deleted."""
    need_vault(service)
    copy = await service.query(find_copy, upload)
    if copy is None or copy.tenant != caller.tenant or copy.wrapped_key is None:
        raise Problem(404, Message("upload-unknown"), headers=CLOSE)
    return copy


def _read_creation(length: str | None, metadata: str | None) -> tuple[int, bytes]:
    size = _read_number(length, "Upload-Length")
    try:
        return size, parse_metadata(metadata or "")
    except MalformedError as error:
        raise _header_problem("Upload-Metadata", error.message) from error


def _read_number(text: str | None, name: str) -> int:
    try:
        return parse_length(text or "")
    except MalformedError as error:
        raise _header_problem(name, error.message) from error


def _header_problem(name: str, message: Message) -> Problem:
    fault = FieldError(name, message)
    return Problem(422, Message("request-parameter-invalid"), errors=[fault], headers=CLOSE)


def _check_size(stored: StoredEvidence, length: int) -> None:
    """Check that a copy can be the evidence.

    Raises:
        Problem: The evidence has no record any more (410), or another size (422).
    """
    if stored.record is None:
        raise Problem(410, Message("evidence-record-erased"))
    size = parse_record(stored.record).digests.size
    if size not in (None, length):
        raise _header_problem("Upload-Length", Message("upload-size-differs", size=size))


def _format_expiry(copy: KeptCopy) -> str:
    return formatdate(parse_time(copy.expires_at), usegmt=True)
