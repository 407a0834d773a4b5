"""The custody events that were verified with the evidence: certificate members, and their sheet."""

from __future__ import annotations

import hashlib
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
    fields,
    text,
)
from anchor.certificate.model import Bilingual, CustodyEntry, bilingual
from anchor.certificate.time_format import describe_time, format_utc
from anchor.evidence.custody_event import CustodyEvent
from anchor.evidence.group_members import dump_group, list_members
from anchor.evidence.group_reading import read_custody_event
from anchor.evidence.group_values import spell_value
from anchor.evidence.statement_text import MAX_CHARACTERS
from anchor.receipt.format import parse_receipt
from anchor.verification.collection_account import CustodyReceipt
from anchor.verification.custody_chain import CustodyLink, CustodySubject, order_chain

# The event's heading has these.
_IN_HEADING = ("subject", "event")
_DIGESTS = ("previous_event", "digest_before", "digest_after")


def list_custody(receipt: bytes, events: Sequence[CustodyReceipt]) -> list[CustodyEntry]:
    """Return the events about the receipt's record in their order, the first one first."""
    given = {hashlib.sha256(each.receipt.record).digest(): each for each in events}
    links = []
    for record, each in given.items():
        event = read_custody_event(each.receipt.record)
        assert event is not None, "the verification accepted it as one"
        links.append(CustodyLink(record=record, event=event, index=each.receipt.index))
    record = hashlib.sha256(parse_receipt(receipt).record).digest()
    subject = CustodySubject(record=record, index=None, digest=None)
    return [_describe(link, given[link.record]) for link in order_chain(subject, links)]


def _describe(link: CustodyLink, each: CustodyReceipt) -> CustodyEntry:
    existed_by = each.report.existed_by
    return CustodyEntry(
        record_sha256=link.record.hex(),
        index=each.receipt.index,
        existed_no_later_than=None if existed_by is None else format_utc(existed_by),
        chain_kind=each.report.kind,
        stated=dump_group(link.event),
    )


def build_custody(entries: Sequence[CustodyEntry] | None) -> Iterator[Block]:
    """Yield the blocks of the sheet on custody."""
    if not entries:
        yield fields(
            Message("certificate-custody-events"),
            [(Message("certificate-custody-given"), MISSING)],
        )
        yield _remark(Message("certificate-custody-unrecorded"))
        return
    for number, entry in enumerate(entries, 1):
        yield _build_event(number, entry)
    yield _remark(Message("certificate-custody-remark"))


def _build_event(number: int, entry: CustodyEntry) -> Fields:
    label = Message(
        "certificate-custody-event",
        number=number,
        event=spell_value("event", entry.stated.get("event", "")),
    )
    stated = (
        LabelledRow(label=bilingual(member.label), value=_show(name, str(entry.stated[name])))
        for name, member in list_members(CustodyEvent).items()
        if name in entry.stated and name not in _IN_HEADING
    )
    by = entry.existed_no_later_than
    shown = (
        (Message("certificate-record-digest"), code(entry.record_sha256)),
        (
            label_latest_time(entry.chain_kind or "main"),
            MISSING if by is None else text(describe_time(by)),
        ),
    )
    rows = (LabelledRow(label=bilingual(name), value=value) for name, value in shown)
    return Fields(title=_heading(label), rows=(*stated, *rows))


def _heading(label: Message) -> Bilingual:
    words = bilingual(label)
    return Bilingual(zh=show_text(words.zh, 80), en=show_text(words.en, 80))


def _show(name: str, value: str) -> Value:
    if name in _DIGESTS:
        return code(value)
    return Value(kind="text", lines=(show_text(value, MAX_CHARACTERS),))


def _remark(message: Message) -> Notes:
    return Notes(title=None, items=(bilingual(message),), is_list=False)
