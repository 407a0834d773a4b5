"""Evidence as a table and as JSON, for ``anchor list`` and ``anchor search``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.base.types import Stage
from anchor.base.units import format_bytes
from anchor.cli.console import Output
from anchor.evidence.printed_number import NumberKind
from anchor.monitor.evidence_listing import (
    ListedEvidence,
    list_certificates,
    list_evidence,
    list_heads,
)
from anchor.operate.finality import build_finality_json
from anchor.project.project import OpenProject
from anchor.store.certificates import IssuedCertificate
from anchor.store.columns import ERASED
from anchor.store.heads import AnchoredHead
from anchor.store.number_search import NumberedItem

# Columns of the table; the name comes last.
_WIDTHS = (19, 8, -10, 21)


def print_evidence(
    output: Output, project: OpenProject, limit: int, tenant: str | None, text: str = ""
) -> bool:
    """Print at most ``limit`` pieces of evidence; return whether there are any.

    With ``text``, print also the heads of which that is the root, or the transaction, and the
    certificates that bear that number.
    """
    pieces = list_evidence(project, most=limit + 1, text=text, tenant=tenant)
    shown = pieces[:limit]
    described = [_describe(piece) for piece in shown]
    if shown:
        output.row(
            Message("evidence-column-recorded"),
            Message("evidence-column-state"),
            Message("evidence-column-size"),
            Message("evidence-column-number"),
            Message("evidence-column-name"),
            widths=_WIDTHS,
        )
    for piece, members in zip(shown, described, strict=True):
        size = "" if members["size"] is None else format_bytes(members["size"])
        time = (members["recorded_at"] or "").replace("T", " ")[:19]
        name = Message("evidence-erased") if piece.name == ERASED else piece.name
        output.row(
            time, _name_stage(piece.stage), size, members["number"] or "", name, widths=_WIDTHS
        )
    if len(pieces) > limit:
        output.note(Message("evidence-list-cut", limit=limit))
    heads = list_heads(project, text) if text else []
    for head in heads:
        output.line(_describe_head(head))
    certificates = list_certificates(project, text, tenant) if text else []
    for certificate in certificates:
        output.line(_describe_certificate(certificate))
    stages = {piece.stage for piece in shown} | {head.stage for head in heads}
    if Stage.ANCHORED in stages and project.config.final_after is not None:
        output.line(Message("evidence-anchored-by-depth"))
    members = {
        "heads": list(map(_describe_match, heads)),
        "certificates": list(map(_build_certificate_json, certificates)),
    }
    members = members if text else {}
    finality = build_finality_json(project.config)
    output.result({"evidence": described, "more": len(pieces) > limit, **members, **finality})
    return bool(shown or heads or certificates)


def _name_stage(stage: Stage) -> Message:
    match stage:
        case Stage.ACCEPTED:
            return Message("evidence-stage-accepted")
        case Stage.SEALED:
            return Message("evidence-stage-sealed")
        case Stage.SUBMITTED:
            return Message("evidence-stage-submitted")
        case Stage.INCLUDED:
            return Message("evidence-stage-included")
        case Stage.ANCHORED:
            return Message("evidence-stage-anchored")


def _describe_head(match: NumberedItem) -> Message:
    assert match.head is not None, "only heads have no index"
    size, stage = match.head.size, _name_stage(match.stage)
    if match.kind is NumberKind.ROOT:
        return Message("search-root", size=size, stage=stage)
    return Message("search-transaction", size=size, stage=stage)


def _describe_certificate(certificate: IssuedCertificate) -> Message:
    number, issued_at = certificate.number, certificate.issued_at
    if certificate.revoked_at is not None:
        return Message(
            "search-certificate-revoked",
            number=number,
            issued_at=issued_at,
            revoked_at=certificate.revoked_at,
            reason=certificate.revocation or Message("evidence-erased"),
        )
    if certificate.identity is None:
        return Message("search-certificate-erased", number=number, issued_at=issued_at)
    return Message("search-certificate-issued", number=number, issued_at=issued_at)


def _build_certificate_json(certificate: IssuedCertificate) -> dict[str, Any]:
    return {
        "number": certificate.number,
        "id": None if certificate.identity is None else certificate.identity.hex(),
        "state": certificate.state,
        "issued_at": certificate.issued_at,
        "revoked_at": certificate.revoked_at,
        "reason": certificate.revocation,
    }


def _describe_match(match: NumberedItem) -> dict[str, Any]:
    assert match.head is not None, "only heads have no index"
    return {
        "kind": match.kind.value,
        "root": match.head.root.hex(),
        "size": match.head.size,
        "state": match.stage.value,
        "anchored_at": _format_anchored(match.anchored),
    }


def _format_anchored(anchored: AnchoredHead | None) -> str | None:
    if anchored is None:
        return None
    return format_time(datetime.fromtimestamp(anchored.timestamp, UTC))


def _describe(piece: ListedEvidence) -> dict[str, Any]:
    stored, record, anchored = piece.stored, piece.record, piece.anchored
    sha256, sm3 = (None, None) if record is None else (record.digests.sha256, record.digests.sm3)
    return {
        "number": piece.number,
        "id": stored.identity.hex(),
        "name": piece.name,
        "tenant": piece.tenant,
        "size": None if record is None else record.digests.size,
        "sha256": None if sha256 is None else sha256.hex(),
        "sm3": None if sm3 is None else sm3.hex(),
        "recorded_at": None if record is None else format_time(record.recorded_at),
        "state": piece.stage.value,
        "leaf": stored.leaf.hex(),
        "index": stored.leaf_index,
        "anchored_at": _format_anchored(anchored),
    }
