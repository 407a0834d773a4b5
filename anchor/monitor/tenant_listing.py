"""A tenant's evidence, newest first and page by page, with the stage that each piece has reached.

A page takes the same time however much evidence there is: filters are parts of the log, because
pieces are accepted, sealed and anchored in its order.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from anchor.base.errors import MalformedError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.base.types import MAX_LOG_SIZE, Stage
from anchor.evidence.record import Record, parse_record
from anchor.monitor.log_progress import LogProgress, load_log_progress
from anchor.project.project import OpenProject
from anchor.store.evidence import find_first_since
from anchor.store.heads import AnchoredHead, find_covering_anchor
from anchor.store.retentions import Retention, load_retentions
from anchor.store.runs import find_end
from anchor.store.statistics import find_head_above
from anchor.store.tenant_slices import load_newest_of

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z", re.ASCII)
# A cursor holds an index, and a checksum that reveals a damaged one.
_INDEX_BYTES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingFilter:
    """Which evidence a listing has; times are RFC 3339 texts, ``before`` is exclusive."""

    since: str | None = None
    before: str | None = None
    stage: Stage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantEvidence:
    """One piece of a tenant's evidence; ``record`` is None if it is lost."""

    index: int
    identity: bytes
    record: Record | None
    accepted_at: str
    stage: Stage
    anchored: AnchoredHead | None
    retention: Retention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePage:
    """A page of a listing; ``next`` is the cursor of the page after it, None after the last."""

    evidence: tuple[TenantEvidence, ...]
    next: str | None


def list_tenant_evidence(
    project: OpenProject,
    tenant: str,
    listing: ListingFilter,
    *,
    most: int,
    cursor: str | None = None,
) -> EvidencePage:
    """Return at most ``most`` pieces of a tenant, the newest or those after ``cursor``.

    What is accepted meanwhile is before the first page, and moves no other one.
    """
    end = MAX_LOG_SIZE if cursor is None else decode_cursor(cursor)
    progress = load_log_progress(project)
    low, high = find_stage_range(progress, listing.stage)
    with project.database.read() as connection:
        high = min(high, end, find_end(connection))
        if listing.since is not None:
            low = max(low, find_first_since(connection, listing.since, 0, high))
        if listing.before is not None:
            high = min(high, find_first_since(connection, listing.before, 0, high))
        pieces: list[TenantEvidence] = []
        anchored, covered_from, following = None, high, None
        for run, at in load_newest_of(connection, tenant, low, high):
            if len(pieces) == most:
                following = encode_cursor(pieces[-1].index)
                break
            index = run.first + at
            if index < min(covered_from, progress.included):
                # One head's leaves have one anchor: the next query is for the next head's.
                head = find_head_above(connection, index)
                covered_from = 0 if head is None else head.head.size - head.added
                anchored = find_covering_anchor(connection, project.config.chain_id, index)
            pieces.append(
                TenantEvidence(
                    index=index,
                    identity=run.identity(at),
                    record=_read_record(run.record(at)),
                    accepted_at=run.time(at),
                    stage=progress.stage_of(index),
                    anchored=anchored if index < progress.included else None,
                )
            )
        rows = load_retentions(connection, [piece.identity for piece in pieces])
    dated = (replace(piece, retention=rows.get(piece.identity)) for piece in pieces)
    return EvidencePage(evidence=tuple(dated), next=following)


def find_stage_range(progress: LogProgress, stage: Stage | None) -> tuple[int, int]:
    """Return the first index of the evidence at a stage, and the index after its last one."""
    submitted = max(progress.included, progress.submitted)
    match stage:
        case None:
            return 0, MAX_LOG_SIZE
        case Stage.ANCHORED:
            return 0, progress.anchored
        case Stage.INCLUDED:
            return progress.anchored, progress.included
        case Stage.SUBMITTED:
            return progress.included, submitted
        case Stage.SEALED:
            return submitted, progress.sealed
        case Stage.ACCEPTED:
            return progress.sealed, MAX_LOG_SIZE


def parse_bound(text: str, *, is_end: bool = False, zone: tzinfo = UTC) -> str:
    """Return a day or a moment as an RFC 3339 text, to be compared with times of acceptance.

    ``is_end`` returns the first moment after it: a day ends with its last millisecond.  ``zone`` is
    where a day begins.
    """
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            moment = datetime(day.year, day.month, day.day, tzinfo=zone)
            return format_time(moment + timedelta(days=1) if is_end else moment)
        if _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return format_time(moment + timedelta(milliseconds=1) if is_end else moment)
    except (ValueError, OverflowError):
        pass
    raise MalformedError(Message("listing-time-malformed"))


def encode_cursor(index: int) -> str:
    """Return the cursor of the page with the pieces before this index."""
    number = index.to_bytes(_INDEX_BYTES, "big")
    data = number + zlib.crc32(number).to_bytes(4, "big")[:3]
    return base64.urlsafe_b64encode(data).decode()


def decode_cursor(text: str) -> int:
    """Return the index in a cursor."""
    try:
        data = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise MalformedError(Message("listing-cursor-malformed")) from error
    index = int.from_bytes(data[:_INDEX_BYTES], "big")
    if encode_cursor(index) != text:
        raise MalformedError(Message("listing-cursor-malformed"))
    return index


def _read_record(record: bytes | None) -> Record | None:
    try:
        return None if record is None else parse_record(record)
    except (MalformedError, UnknownVersionError):  # damage, which `anchor audit` reports
        return None
