"""Certificates on request: ordering, following, fetching and revoking them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from anchor.base.canonical import parse_strict
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.service.auth import Reader, Submitter
from anchor.service.certificate_orders import order_certificate
from anchor.service.certificate_schemas import (
    CertificateDocument,
    CertificateId,
    CertificatesDocument,
    FileKind,
    Revocation,
    RevocationDocument,
    read_reason,
)
from anchor.service.downloads import (
    MEDIA_TYPES,
    answer_certificate_file,
    find_certificate_of,
)
from anchor.service.evidence_status import find_evidence
from anchor.service.file_names import NAMED_FILE
from anchor.service.pagination import AfterPosition, CurrentPage, PageLimit, read_position
from anchor.service.problems import FieldError, Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.schemas import IdInPath, ProblemDocument, problems
from anchor.service.worker import CurrentService, Service
from anchor.store.certificates import (
    IssuedCertificate,
    load_certificates,
    load_hashes,
    revoke_certificate,
)

router = APIRouter(tags=["certificates"])

_MOST_BODY = 8 * 1024


@router.post(
    "/v1/evidence/{id}/certificates",
    summary="Order a certificate of a piece of evidence",
    status_code=202,
    responses={
        202: {"description": "It is issued when the anchor is final; follow it by its id."},
        **problems(401, 403, 404, 410, 422, 429),
    },
)
async def order(id: IdInPath, caller: Submitter, service: CurrentService) -> CertificateDocument:
    """Order a certificate, made as `anchor certify --digest` makes it: no file is at hand here.

    An order that waits already is returned again.
    """
    certificate = await order_certificate(service, caller, id)
    return await _describe(service, certificate)


@router.get(
    "/v1/evidence/{id}/certificates",
    summary="The certificates of a piece of evidence",
    responses=problems(401, 403, 404, 410, 422),
)
async def of_evidence(
    id: IdInPath,
    caller: Reader,
    service: CurrentService,
    links: CurrentPage,
    after: AfterPosition = None,
    limit: PageLimit = 50,
) -> CertificatesDocument:
    """Return the certificates that were ordered, the first order first."""
    stored = await service.read(lambda: find_evidence(service, caller, id))
    rows = await service.query(
        load_certificates, stored.identity, after=read_position(after), limit=limit
    )
    following = links.name_position(rows, limit, lambda row: (row.requested_at, row.id))
    return CertificatesDocument(
        certificates=[await _describe(service, row) for row in rows], next=following
    )


@router.get(
    "/v1/certificates/{certificate}",
    summary="The state of a certificate",
    responses=problems(401, 403, 404, 422),
)
async def state(
    certificate: CertificateId, caller: Reader, service: CurrentService
) -> CertificateDocument:
    """Return whether it is issued yet, its number and the digests of its files."""
    return await _describe(service, await find_certificate_of(service, caller, certificate))


@router.get(
    "/v1/certificates/{certificate}/files/{kind}",
    summary="A file of a certificate",
    response_class=Response,
    responses={
        200: {
            "content": {media_type: {} for media_type in MEDIA_TYPES.values()},
            "headers": NAMED_FILE,
        },
        **problems(401, 403, 404, 409, 410, 422),
    },
)
async def file(
    certificate: CertificateId, kind: FileKind, caller: Reader, service: CurrentService
) -> Response:
    """Return the file, byte for byte as it was issued."""
    return await answer_certificate_file(service, caller, certificate, kind)


@router.post(
    "/v1/certificates/{certificate}/revocation",
    summary="Revoke a certificate",
    responses=problems(401, 403, 404, 408, 409, 413, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Revocation.model_json_schema()}},
        }
    },
)
async def revoke(
    request: Request, certificate: CertificateId, caller: Submitter, service: CurrentService
) -> CertificateDocument:
    """Revoke a certificate: from then on its state says so, with the reason.

    The evidence, its record and its anchor stay as they are.
    """
    check_media_type(request, "application/json")
    reason = _read_reason(await read_body(request, service.settings))
    await find_certificate_of(service, caller, certificate)
    at = utc_now()

    def write() -> bool:
        return service.project.database.write_with_retry(
            lambda connection: revoke_certificate(
                connection, certificate, reason=reason, at=at, actor=caller.actor
            )
        )

    if not await service.read(write):
        raise Problem(409, Message("certificate-not-revocable"))
    return await _describe(service, await find_certificate_of(service, caller, certificate))


def _read_reason(data: bytes) -> str:
    try:
        subject = Message("certificate-revocation-subject")
        value = parse_strict(data, subject=subject, max_bytes=_MOST_BODY)
    except MalformedError as error:
        raise Problem(400, error.message) from error
    reason = read_reason(value)
    if reason is None:
        fault = FieldError("/reason", Message("certificate-revocation-reason"))
        raise Problem(422, Message("certificate-revocation-invalid"), errors=[fault])
    return reason


async def _describe(service: Service, certificate: IssuedCertificate) -> CertificateDocument:
    refusal = certificate.refusal
    hashes = await service.query(load_hashes, certificate.id)
    return CertificateDocument(
        id=certificate.id,
        state=certificate.state,
        requested_at=certificate.requested_at,
        number=certificate.number,
        issued_at=certificate.issued_at,
        files=hashes,
        refusal=None if refusal is None else ProblemDocument(**refusal),
        revocation=None
        if certificate.revoked_at is None
        else RevocationDocument(at=certificate.revoked_at, reason=certificate.revocation),
    )
