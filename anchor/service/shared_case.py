"""A case as whoever has a link to it sees it: found by the token, and shown without its notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fastapi import Request

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.evidence.record import parse_record
from anchor.service.address_limits import limits_of, too_many
from anchor.service.auth import note_event
from anchor.service.client_address import client_of
from anchor.service.evidence_status import load_statuses
from anchor.service.problems import Problem
from anchor.service.schemas import EvidenceStatusDocument
from anchor.service.worker import Service
from anchor.store.case_exhibits import ExhibitRow, load_exhibit_pieces
from anchor.store.case_links import CaseLink, open_case_link
from anchor.store.cases import CaseRow
from anchor.store.certificates import IssuedCertificate, load_certificates_of
from anchor.store.evidence import StoredEvidence


@dataclass(frozen=True, slots=True)
class SharedCase:
    """A case that a link opened, with its exhibits in order, and their evidence unless erased."""

    link: CaseLink
    case: CaseRow
    exhibits: Sequence[tuple[ExhibitRow, StoredEvidence | None]]


@dataclass(frozen=True, slots=True)
class SharedExhibit:
    """An exhibit as the page shows it; without ``status`` its evidence was erased or lost."""

    row: ExhibitRow
    name: str | None
    sha256: str | None
    sm3: str | None
    status: EvidenceStatusDocument | None
    certificates: Sequence[IssuedCertificate]


async def open_shared_case(service: Service, request: Request, token: str) -> SharedCase:
    """Return the case to which a link with this token leads, and count its use.

    The remarks on exhibits are the tenant's own, and are left out.

    Raises:
        Problem: No link in force has this token (404), or the request's address guessed too many
            (429).
    """
    throttle = limits_of(request)
    address = client_of(request.scope)
    seconds = throttle.refused.wait(address)
    if seconds:
        raise too_many(seconds)
    opened = await service.change(open_case_link, token, utc_now())
    if opened is None:
        throttle.refused.take(address)
        note_event(request.scope, "link-refused")
        # The same answer whether it was revoked, has expired, or never was.
        raise Problem(404, Message("case-link-not-open"))
    link, case = opened
    request.scope["anchor.tenant"] = case.tenant  # for logs
    request.scope["anchor.key"] = f"link:{link.id}"
    pairs = await service.query(load_exhibit_pieces, case.id)
    return SharedCase(link, case, [(replace(row, note=""), piece) for row, piece in pairs])


async def describe_shared_exhibits(service: Service, shared: SharedCase) -> list[SharedExhibit]:
    """Return the exhibits as the page shows them."""
    pieces = [piece for _, piece in shared.exhibits if piece is not None and piece.record]
    statuses = await load_statuses(service, lambda: pieces)
    by_id = {status.id: status for status in statuses}
    issued = await service.query(load_certificates_of, [piece.identity for piece in pieces])
    return [_describe(row, piece, by_id, issued) for row, piece in shared.exhibits]


def need_shared_piece(shared: SharedCase, exhibit: str) -> StoredEvidence:
    """Return the evidence of an exhibit of the case.

    Raises:
        Problem: The case has no such exhibit (404), or its evidence was erased or lost (410).
    """
    for row, piece in shared.exhibits:
        if row.id == exhibit:
            if piece is None or piece.record is None:
                raise Problem(410, Message("evidence-record-erased"))
            return piece
    raise Problem(404, Message("exhibit-unknown"))


def _describe(
    row: ExhibitRow,
    piece: StoredEvidence | None,
    statuses: Mapping[str, EvidenceStatusDocument],
    issued: Mapping[bytes, Sequence[IssuedCertificate]],
) -> SharedExhibit:
    if piece is None or piece.record is None:
        return SharedExhibit(row, None, None, None, None, ())
    record = parse_record(piece.record)
    sha256, sm3 = record.digests.sha256, record.digests.sm3
    return SharedExhibit(
        row=row,
        name=record.name,
        sha256=None if sha256 is None else sha256.hex(),
        sm3=None if sm3 is None else sm3.hex(),
        status=statuses[piece.identity.hex()],
        certificates=issued.get(piece.identity, ()),
    )
