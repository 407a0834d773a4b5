"""The custody events of ``anchor verify``: receipts that the user names, and those in a bag."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.bag.bag_format import CUSTODY, ORIGINALS
from anchor.bag.bag_validation import ValidBag
from anchor.base.errors import AnchorError, MalformedError
from anchor.base.messages.message import Message
from anchor.cli.console import Colour, Output
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import list_receipts, read_receipt
from anchor.evidence.custody_event import CustodyEvent
from anchor.evidence.group_reading import read_custody_event
from anchor.evidence.record import parse_record
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import MAX_RECEIPT_BYTES, Receipt, parse_receipt
from anchor.verification.collection_account import CustodyReceipt, apply_custody
from anchor.verification.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    data: bytes
    receipt: Receipt
    event: CustodyEvent


class CustodyEvents:
    """Receipts of custody events, each judged once, for the records that they are about."""

    def __init__(self, events: Iterable[_Event]) -> None:
        self._events = list(events)
        self._judged: dict[bytes, CustodyReceipt] = {}

    @classmethod
    def select(cls, receipts: Iterable[bytes]) -> CustodyEvents:
        """Return the receipts that are of custody events; others prove nothing and are left out."""
        return cls(event for data in receipts if (event := _parse(data)) is not None)

    def list_receipts(self) -> list[bytes]:
        """Return the receipts of the events."""
        return [event.data for event in self._events]

    def apply(self, inputs: VerificationInputs, report: Report, receipt: bytes | Receipt) -> Report:
        """Return the report with the verdict on the events about its record, if there are any."""
        if report.record is None:
            return report
        parsed = _parse_subject(receipt)
        events = self.judge_about(inputs, parsed)
        return apply_custody(report, parsed, events) if events else report

    def judge_about(self, inputs: VerificationInputs, receipt: Receipt) -> list[CustodyReceipt]:
        """Return the events about a receipt's record, each with its report."""
        subject = hashlib.sha256(receipt.record).hexdigest()
        return [self._judge(inputs, each) for each in self._events if each.event.subject == subject]

    def judge_all(self, inputs: VerificationInputs) -> list[CustodyReceipt]:
        """Return all events, each with its report."""
        return [self._judge(inputs, each) for each in self._events]

    def list_subjects(self) -> list[str]:
        """Return the SHA-256 of the records that the events are about, each once, as hex."""
        return list(dict.fromkeys(each.event.subject for each in self._events))

    def _judge(self, inputs: VerificationInputs, each: _Event) -> CustodyReceipt:
        if each.data not in self._judged:
            self._judged[each.data] = _judge(inputs, each)
        return self._judged[each.data]


class CustodyInputs:
    """The custody events of a run: those in ``paths``, and those in the bags that it opens.

    Of several files, each event counts for the one whose record it is about; one file has to be
    what all events in ``paths`` are about.
    """

    def __init__(self, paths: Sequence[Path], *, is_many: bool) -> None:
        self._named = _load_named(paths)
        self._is_many = is_many
        self._subjects: set[str] = set()
        self._in_bags: dict[Path, CustodyEvents] = {}

    def apply(
        self, inputs: VerificationInputs, name: str, report: Report, receipt: bytes | Receipt
    ) -> Report:
        """Return the report on ``name`` with the verdict on its custody events, if any."""
        if report.record is None:
            return report
        parsed = _parse_subject(receipt)
        self._subjects.add(hashlib.sha256(parsed.record).hexdigest())
        events: list[CustodyReceipt] = []
        for opened in inputs.bags:
            if Path(name).is_relative_to(opened.path / ORIGINALS):
                if opened.path not in self._in_bags:
                    self._in_bags[opened.path] = CustodyEvents.select(_read_all(opened.bag))
                events += self._in_bags[opened.path].judge_about(inputs, parsed)
        named = self._named
        events += named.judge_about(inputs, parsed) if self._is_many else named.judge_all(inputs)
        # Of an event that was also named, the receipt in the bag does not count.
        by_record = {each.receipt.record: each for each in events}
        return apply_custody(report, parsed, list(by_record.values())) if events else report

    def warn_of_unused(self, output: Output) -> None:
        """Warn of each record that named events are about and that none of the files has."""
        for subject in self._named.list_subjects() if self._is_many else ():
            if subject not in self._subjects:
                text = Message("custody-events-unused", subject=subject)
                output.note(text, mark=Message("warning-mark"), colour=Colour.YELLOW)


def load_custody(inputs: VerificationInputs, paths: Sequence[Path]) -> list[CustodyReceipt]:
    """Return the custody events of receipts, or of folders of receipts, each with its report."""
    return _load_named(paths).judge_all(inputs)


def _load_named(paths: Sequence[Path]) -> CustodyEvents:
    events = []
    for path in list_receipts(paths):
        event = _read(read_receipt(path))
        if event is None:
            raise MalformedError(Message("custody-receipt-not-of-event", path=path))
        events.append(event)
    return CustodyEvents(events)


def list_event_receipts(paths: Sequence[Path]) -> Iterator[bytes]:
    """Yield the contents of those files that are named as receipts."""
    for path in paths:
        if path.name.endswith(RECEIPT_SUFFIX):
            yield read_receipt(path)


def _read_all(bag: ValidBag) -> Iterable[bytes]:
    for name in sorted(bag.tags):
        if name.startswith(CUSTODY) and name.endswith(RECEIPT_SUFFIX):
            yield bag.read(name, MAX_RECEIPT_BYTES)


def _read(data: bytes) -> _Event | None:
    """Return the custody event in a receipt; None for a receipt of other evidence."""
    receipt = parse_receipt(data)
    parse_record(receipt.record)
    event = read_custody_event(receipt.record)
    return None if event is None else _Event(data=data, receipt=receipt, event=event)


def _parse_subject(receipt: bytes | Receipt) -> Receipt:
    return receipt if isinstance(receipt, Receipt) else parse_receipt(receipt)


def _parse(data: bytes) -> _Event | None:
    try:
        return _read(data)
    except AnchorError:
        return None


def _judge(inputs: VerificationInputs, each: _Event) -> CustodyReceipt:
    """Judge an event like the evidence; the nodes asked for both are those asked now."""
    before = inputs.nodes.asked_now
    report = inputs.judge(each.data, each.event.digests())
    inputs.nodes.asked_now = list(dict.fromkeys([*before, *inputs.nodes.asked_now]))
    return CustodyReceipt(receipt=each.receipt, report=report)
