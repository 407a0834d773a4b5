"""Packed folders of a tenant's evidence and cases, made from receipts and issued certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from importlib import resources
from importlib.metadata import version

from fastapi.responses import Response

from anchor.bag.packed_policy import encode_packed_policy
from anchor.bag.receipt_package import (
    PackageCase,
    PackageCertificate,
    PackageExhibit,
    PackageVerifiers,
    build_package,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.evidence.preservation_number import number_record
from anchor.evidence.record import parse_record
from anchor.page import load_page
from anchor.project.config import Config
from anchor.project.policy_sources import load_policy
from anchor.receipt.format import encode_receipt
from anchor.service.caller import Caller
from anchor.service.evidence_party import find_party
from anchor.service.evidence_status import find_evidence
from anchor.service.file_names import name_download
from anchor.service.problems import RETRY_LATER, Problem
from anchor.service.worker import Service
from anchor.store.case_exhibits import ExhibitRow
from anchor.store.cases import CaseRow
from anchor.store.certificates import load_certificates_of, load_file, load_hashes
from anchor.store.evidence import StoredEvidence

# A folder is made in memory; with certificates an exhibit has some 300 KiB.
_MOST_BYTES = 256 << 20
# Each takes the thread that makes receipts for some milliseconds an exhibit.
_MOST_AT_ONCE = 1
# Of all tenants, in one worker, because of the memory.
_MOST_IN_WORKER = 4
_EVERYBODY = ""


async def pack_evidence(service: Service, holder: str, stored: StoredEvidence) -> bytes:
    """Return the packed folder of one piece of evidence, made for ``holder``, such as a tenant.

    Raises:
        Problem: The holder has another folder in progress (429), it is too large (409), or others
            keep this worker busy (503).
    """
    with _take_slot(service, holder):
        exhibit = await _describe(service, None, stored, _MOST_BYTES)
        return await asyncio.to_thread(_build, service.project.config, None, [exhibit])


async def pack_case(
    service: Service,
    holder: str,
    case: CaseRow,
    exhibits: Sequence[tuple[ExhibitRow, StoredEvidence | None]],
) -> bytes:
    """Return the packed folder of a case, with its exhibits in order, made for ``holder``.

    Raises:
        Problem: The holder has another folder in progress (429), it is too large (409), or others
            keep this worker busy (503).
    """
    with _take_slot(service, holder):
        described: list[PackageExhibit] = []
        room = _MOST_BYTES
        for row, stored in exhibits:
            described.append(await _describe(service, row, stored, room))
            room -= _measure(described[-1])
        return await asyncio.to_thread(_build, service.project.config, case, described)


async def answer_evidence_package(service: Service, caller: Caller, id: str) -> Response:
    """Return the packed folder of a tenant's evidence as a file to be saved.

    Raises:
        Problem: The tenant has no such evidence (404), it was erased (410), or as of
            ``pack_evidence``.
    """
    stored = await service.read(lambda: find_evidence(service, caller, id))
    if stored.record is None:
        raise Problem(410, Message("evidence-record-erased"))
    return answer_zip(
        await pack_evidence(service, caller.tenant, stored), f"evidence-{id[:16]}.zip"
    )


def answer_zip(data: bytes, name: str) -> Response:
    """Return a ZIP file to be saved under a name."""
    return Response(data, media_type="application/zip", headers=name_download(name))


def _take_slot(service: Service, holder: str) -> ExitStack:
    kind = Message("service-packages")
    slots = service.take_slot(kind, holder, _MOST_AT_ONCE)
    try:
        slots.enter_context(service.take_slot(kind, _EVERYBODY, _MOST_IN_WORKER))
    except Problem:
        slots.close()
        raise Problem(503, Message("packages-busy"), headers=RETRY_LATER) from None
    return slots


async def _describe(
    service: Service, row: ExhibitRow | None, stored: StoredEvidence | None, room: int
) -> PackageExhibit:
    """Return an exhibit with its receipt, its certificates, and the files of those in force."""
    record = None if stored is None else stored.record
    receipt = None
    is_anchored = False
    if stored is not None and record is not None and stored.leaf_index is not None:
        service.check_chain()
        proven = await service.receipt_builder.prove(stored)
        receipt, is_anchored = encode_receipt(proven), bool(proven.anchors)
    parsed = None if record is None else parse_record(record)
    party = None if stored is None else await service.query(find_party, stored)
    leaf = row.leaf if row is not None else stored.leaf if stored is not None else b""
    exhibit = PackageExhibit(
        label="" if row is None else row.label,
        purpose="" if row is None else row.purpose,
        note="" if row is None else row.note,
        leaf=leaf.hex(),
        erased_at=None if row is None else row.erased_at,
        number=None if record is None else number_record(record),
        name=None if parsed is None else parsed.name,
        recorded_at=None if parsed is None else format_time(parsed.recorded_at),
        sha256=_hex(None if parsed is None else parsed.digests.sha256),
        sm3=_hex(None if parsed is None else parsed.digests.sm3),
        receipt=receipt,
        is_anchored=is_anchored,
        certificates=[] if stored is None else await _load_certificates(service, stored),
        record=record,
        account=None if party is None else party.account,
        submitter=None if party is None else party.actor,
        submitter_name=None if party is None else party.name,
    )
    if _measure(exhibit) > room:
        raise Problem(409, Message("package-too-large", limit=_MOST_BYTES >> 20))
    return exhibit


async def _load_certificates(service: Service, stored: StoredEvidence) -> list[PackageCertificate]:
    issued = await service.query(load_certificates_of, [stored.identity])
    certificates = []
    for each in issued.get(stored.identity, ()):
        assert each.number is not None and each.issued_at is not None, "it was issued"
        files: dict[str, bytes] = {}
        stem = each.number if each.number.isascii() else each.id
        for kind in () if each.revoked_at else await service.query(load_hashes, each.id):
            body = await service.query(load_file, each.id, kind)
            if body is not None:
                files[f"{stem}.{kind}"] = body
        certificates.append(
            PackageCertificate(
                number=each.number,
                issued_at=each.issued_at,
                revoked_at=each.revoked_at,
                files=files,
            )
        )
    return certificates


def _measure(exhibit: PackageExhibit) -> int:
    return len(exhibit.receipt or b"") + sum(map(len, exhibit.certificate_files.values()))


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()


def _build(config: Config, case: CaseRow | None, exhibits: Sequence[PackageExhibit]) -> bytes:
    policy = load_policy(config.trust, "project").policy
    verifiers = PackageVerifiers(
        program=f"anchor-evidence {version('anchor-evidence')}",
        standalone=_load_standalone(),
        page=load_page(),
        policy=encode_packed_policy([policy], None),
    )
    described = None
    if case is not None:
        fields = case.fields
        described = PackageCase(
            number=fields.number,
            title=fields.title,
            authority=fields.authority,
            parties=[(party.role, party.name) for party in fields.parties],
        )
    return build_package(described, exhibits, verifiers)


@cache
def _load_standalone() -> bytes:
    return (resources.files("anchor.standalone") / "verify.py").read_bytes()
