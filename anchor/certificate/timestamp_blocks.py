"""The timestamps (RFC 3161) of the anchored heads: certificate members, and how they are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal

from anchor.base.errors import NotTrustedError
from anchor.base.messages.message import Message
from anchor.certificate.foreign_text import show_text
from anchor.certificate.layout import (
    MISSING,
    Block,
    Fields,
    Notes,
    Value,
    caution,
    code,
    fields,
    text,
)
from anchor.certificate.model import Bilingual, TimestampEntry, bilingual
from anchor.certificate.time_format import describe_time, format_utc
from anchor.verification.report import TimestampFinding

_MOST_OF_NAME = 60
_MOST_OF_REASON = 200
_RESULTS = {
    "verified": Message("certificate-timestamp-verified"),
    "not trusted": Message("certificate-timestamp-not-trusted"),
    "not checked": Message("certificate-timestamp-not-checked"),
}


def list_timestamps(findings: Sequence[TimestampFinding]) -> list[TimestampEntry]:
    """Return the tokens of the anchored heads; those of other heads are left out."""
    return [_describe(finding) for finding in findings if finding.is_of_receipt]


def _describe(finding: TimestampFinding) -> TimestampEntry:
    proven, error, head = finding.proven, finding.error, finding.head
    assert head is not None, "the head of an anchor was read"
    result: Literal["verified", "not trusted", "not checked"] = "verified"
    if error is not None:
        result = "not trusted" if isinstance(error, NotTrustedError) else "not checked"
    return TimestampEntry(
        result=result,
        reason=None if error is None else bilingual(error.message),
        revocation=None if proven is None else bilingual(proven.revocation),
        authority=None if proven is None else proven.tsa,
        time=None if proven is None else format_utc(proven.time),
        existed_no_later_than=(
            None
            if proven is None
            else format_utc(proven.existed_by + timedelta(microseconds=999_999))
        ),
        serial=None if proven is None else str(proven.serial),
        root_certificates=(
            [] if proven is None else [hashlib.sha256(root).hexdigest() for root in proven.roots]
        ),
        root=head.root.hex(),
        size=head.size,
        checkpoint_sha256=finding.checkpoint_sha256.hex(),
        token_sha256=finding.token_sha256.hex(),
    )


def sum_up(entries: Sequence[TimestampEntry] | None) -> Value:
    """Return the value on the first sheet: the verified times, or that none was checked."""
    if not entries:
        return MISSING
    lines = [
        f"{show_text(entry.authority, _MOST_OF_NAME)}: {describe_time(entry.existed_no_later_than)}"
        for entry in entries
        if entry.authority is not None and entry.existed_no_later_than is not None
    ]
    return text(*lines) if lines else caution(Message("certificate-timestamp-not-checked"))


def build_timestamps(entries: Sequence[TimestampEntry]) -> Iterator[Block]:
    """Yield a table for each token, and a remark after them; nothing without tokens."""
    for number, entry in enumerate(entries, 1):
        yield _build_entry(number, entry)
    if entries:
        remark = bilingual(Message("certificate-timestamp-remark"))
        yield Notes(title=None, items=(remark,), is_list=False)


def _build_entry(number: int, entry: TimestampEntry) -> Fields:
    time, by = entry.time, entry.existed_no_later_than
    shown = (
        (Message("certificate-timestamp-result"), _describe_result(entry)),
        (
            Message("certificate-timestamp-authority"),
            MISSING if entry.authority is None else text(show_text(entry.authority, _MOST_OF_NAME)),
        ),
        (
            Message("certificate-timestamp-time"),
            MISSING if time is None else text(describe_time(time)),
        ),
        (Message("certificate-existed-by"), MISSING if by is None else text(describe_time(by))),
        (Message("certificate-timestamp-revocation"), _describe_revocation(entry)),
        (Message("certificate-timestamp-serial"), code(entry.serial)),
        (Message("certificate-timestamp-root-certificates"), code(*entry.root_certificates)),
        (Message("certificate-timestamp-head"), code(entry.root, str(entry.size))),
        (Message("certificate-timestamp-checkpoint"), code(entry.checkpoint_sha256)),
        (Message("certificate-timestamp-token"), code(entry.token_sha256)),
    )
    return fields(Message("certificate-timestamp-title", number=number), shown)


def _describe_result(entry: TimestampEntry) -> Value:
    if entry.result == "verified":
        return text(_RESULTS[entry.result])
    return caution(_RESULTS[entry.result], *_show_lines(entry.reason))


def _describe_revocation(entry: TimestampEntry) -> Value:
    return MISSING if entry.revocation is None else text(*_show_lines(entry.revocation))


def _show_lines(stated: Bilingual | None) -> Iterator[str]:
    for line in () if stated is None else dict.fromkeys((stated.zh, stated.en)):
        yield show_text(line, _MOST_OF_REASON)
