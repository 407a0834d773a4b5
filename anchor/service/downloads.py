"""Receipts and certificates as files, for the API and the pages."""

from __future__ import annotations

from fastapi.responses import Response

from anchor.base.messages.message import Message
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import Receipt, encode_receipt
from anchor.service.caller import Caller
from anchor.service.evidence_status import find_evidence
from anchor.service.file_names import name_download, name_recorded_file
from anchor.service.problems import Problem
from anchor.service.worker import Service
from anchor.store.certificates import IssuedCertificate, find_certificate, load_file
from anchor.store.evidence import StoredEvidence

MEDIA_TYPES = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
}
"""The media type of each format of a certificate."""


async def prove_evidence(service: Service, caller: Caller, id: str) -> Receipt:
    """Return the receipt of a tenant's sealed evidence.

    Raises:
        Problem: The tenant has no such evidence (404), or it was erased (410).
    """
    return await service.receipt_builder.prove(await _find_recorded(service, caller, id))


async def _find_recorded(service: Service, caller: Caller, id: str) -> StoredEvidence:
    stored = await service.read(lambda: find_evidence(service, caller, id))
    if stored.record is None:
        raise Problem(410, Message("evidence-record-erased"))
    return stored


async def answer_receipt_file(service: Service, caller: Caller, id: str) -> Response:
    """Return the receipt of a tenant's evidence as a file to keep, as ``prove_evidence`` does."""
    service.check_chain()
    return await answer_receipt(service, await _find_recorded(service, caller, id))


async def answer_receipt(service: Service, stored: StoredEvidence) -> Response:
    """Return the receipt of evidence with a record as a file to be kept."""
    service.check_chain()
    body = encode_receipt(await service.receipt_builder.prove(stored))
    headers = name_recorded_file(stored.record, stored.identity.hex()[:16], RECEIPT_SUFFIX)
    return Response(body, media_type="application/json", headers=headers)


async def find_certificate_of(service: Service, caller: Caller, id: str) -> IssuedCertificate:
    """Return a tenant's certificate."""
    certificate = await service.query(find_certificate, id)
    if certificate is None or certificate.tenant != caller.tenant:
        raise Problem(404, Message("certificate-unknown-to-tenant"))
    return certificate


async def answer_certificate_file(service: Service, caller: Caller, id: str, kind: str) -> Response:
    """Return a file of a tenant's certificate, byte for byte as it was issued.

    Raises:
        Problem: The tenant has no such certificate, or it has no file of this format (404); it is
            not issued yet (409); or its evidence was erased (410).
    """
    issued = await find_certificate_of(service, caller, id)
    if issued.number is None:
        raise Problem(409, Message("certificate-not-issued-yet"))
    if issued.identity is None:
        raise Problem(410, Message("certificate-evidence-erased"))
    body = await service.query(load_file, id, kind)
    if body is None:
        raise Problem(404, Message("certificate-format-missing"))
    name = f"{issued.number}.{kind}"
    headers = name_download(name, "" if name.isascii() else f"{id}.{kind}")
    return Response(body, media_type=MEDIA_TYPES[kind], headers=headers)
