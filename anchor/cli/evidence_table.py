"""Evidence as a table and as JSON, for ``anchor list`` and ``anchor search``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from anchor.cli.console import Output, human_size
from anchor.monitor.evidence_listing import ListedEvidence, list_evidence
from anchor.project.project import OpenProject
from anchor.system.clock import format_time

LimitOption = Annotated[
    int, typer.Option("--limit", min=1, max=1_000_000, metavar="N", help="Show at most N pieces.")
]
TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", metavar="NAME", help="Only evidence of this tenant of the service."),
]


def print_evidence(
    output: Output, project: OpenProject, limit: int, tenant: str | None, text: str = ""
) -> bool:
    """Print at most ``limit`` pieces of evidence; return whether there are any."""
    pieces = list_evidence(project, most=limit + 1, text=text, tenant=tenant)
    shown = [_describe(piece) for piece in pieces[:limit]]
    if shown:
        output.line(f"{'recorded (UTC)':<19}  {'state':<8}  {'size':>10}  {'sha256':<12}  name")
    for piece in shown:
        size = "" if piece["size"] is None else human_size(piece["size"])
        digest = (piece["sha256"] or piece["sm3"] or "")[:12]
        time = (piece["recorded_at"] or "").replace("T", " ")[:19]
        output.line(f"{time:<19}  {piece['state']:<8}  {size:>10}  {digest:<12}  {piece['name']}")
    if len(pieces) > limit:
        output.note(f"there are more than {limit:,}: raise --limit, or search")
    output.result({"evidence": shown, "more": len(pieces) > limit})
    return bool(shown)


def _describe(piece: ListedEvidence) -> dict[str, Any]:
    stored, record, anchored = piece.stored, piece.record, piece.anchored
    sha256, sm3 = (None, None) if record is None else (record.digests.sha256, record.digests.sm3)
    return {
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
        "anchored_at": None
        if anchored is None
        else format_time(datetime.fromtimestamp(anchored.timestamp, UTC)),
    }
