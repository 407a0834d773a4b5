"""The notices that were verified with the evidence: certificate members, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anchor.base.messages.message import Message
from anchor.certificate.foreign_text import show_text
from anchor.certificate.labels import label_latest_time
from anchor.certificate.layout import (
    MISSING,
    Block,
    Fields,
    LabelledRow,
    Notes,
    Value,
    code,
    text,
)
from anchor.certificate.model import NoticeEntry, bilingual
from anchor.certificate.time_format import describe_time, format_utc
from anchor.evidence.group_members import list_members
from anchor.evidence.record_notice import NoticeStatement
from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.verification.report import Report

_DIGESTS = ("subject", "replacement")


def list_notices(report: Report) -> list[NoticeEntry] | None:
    """Return the notices that the verification accepted; None if there are none."""
    entries = [
        NoticeEntry(
            record_sha256=finding.notice.record.hex(),
            kind=finding.notice.kind,
            subject=finding.notice.subject.hex(),
            replacement=None
            if finding.notice.replacement is None
            else finding.notice.replacement.hex(),
            reason=finding.notice.reason,
            at=finding.notice.at,
            actor=finding.notice.actor,
            existed_no_later_than=None
            if finding.existed_by is None
            else format_utc(finding.existed_by),
            chain_kind=finding.chain_kind,
        )
        for finding in report.notices
        if finding.error is None
    ]
    return entries or None


def name_status(entry: NoticeEntry) -> Message:
    """Return in a few words what became of the record."""
    if entry.kind == "withdraws":
        return Message("certificate-status-withdrawn")
    return Message("certificate-status-superseded")


def describe_status(entry: NoticeEntry, most: int) -> Value:
    """Return what the first notice states, for the first sheet."""
    words = bilingual(name_status(entry))
    stated = show_text(f"{entry.at}, {entry.actor}: {entry.reason}", most)
    return Value(kind="caution", lines=(f"{words.zh} / {words.en}", stated))


def build_notices(entries: Sequence[NoticeEntry] | None) -> Iterator[Block]:
    """Yield the blocks on the notices; none without any."""
    for entry in entries or ():
        yield _build_notice(entry)
    if entries:
        remark = bilingual(Message("certificate-notice-remark"))
        yield Notes(title=None, items=(remark,), is_list=False)


def _build_notice(entry: NoticeEntry) -> Fields:
    values = entry.model_dump()
    stated = (
        LabelledRow(label=bilingual(member.label), value=_show(name, values[name]))
        for name, member in list_members(NoticeStatement).items()
        if values[name] is not None
    )
    by = entry.existed_no_later_than
    shown = (
        (Message("certificate-notice-record"), code(entry.record_sha256)),
        (
            label_latest_time(entry.chain_kind or "main"),
            MISSING if by is None else text(describe_time(by)),
        ),
    )
    rows = (LabelledRow(label=bilingual(name), value=value) for name, value in shown)
    return Fields(title=bilingual(name_status(entry)), rows=(*stated, *rows))


def _show(name: str, value: str) -> Value:
    if name in _DIGESTS:
        return code(value)
    return Value(kind="text", lines=(show_text(value, MAX_CHARACTERS),))
