"""The custody events of ``anchor verify``: receipts that the user names, and those in a bag."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anchor.bag.bag_format import CUSTODY, ORIGINALS
from anchor.bag.bag_validation import ValidBag
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import list_receipts, read_receipt
from anchor.errors import AnchorError, MalformedError
from anchor.evidence.custody_event import CustodyEvent
from anchor.evidence.group_reading import read_custody_event
from anchor.evidence.record import parse_record
from anchor.messages.message import Message
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

    def __init__(self, receipts: Iterable[bytes]) -> None:
        """Take the receipts that are of custody events; others prove nothing and are left out."""
        self._events = [event for data in receipts if (event := _parse(data)) is not None]
        self._judged: dict[bytes, CustodyReceipt] = {}

    def list_receipts(self) -> list[bytes]:
        """Return the receipts of the events."""
        return [event.data for event in self._events]

    def apply(self, inputs: VerificationInputs, report: Report, receipt: bytes | Receipt) -> Report:
        """Return the report with the verdict on the events about its record, if there are any."""
        if report.record is None:
            return report
        parsed = _parse_subject(receipt)
        subject = hashlib.sha256(parsed.record).hexdigest()
        events = [
            self._judge(inputs, each) for each in self._events if each.event.subject == subject
        ]
        return apply_custody(report, parsed, events) if events else report

    def _judge(self, inputs: VerificationInputs, each: _Event) -> CustodyReceipt:
        if each.data not in self._judged:
            self._judged[each.data] = _judge(inputs, each)
        return self._judged[each.data]


class CustodyInputs:
    """The custody events of a run: those in ``paths``, and those in the bags that it opens."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._in_bags: dict[Path, CustodyEvents] = {}

    def apply(
        self, inputs: VerificationInputs, name: str, report: Report, receipt: bytes | Receipt
    ) -> Report:
        """Return the report on ``name`` with the verdict on its custody events, if there are any.

        Raises:
            AnchorError: A receipt that was named cannot be read, or is not of a custody event.
        """
        if self._paths and report.record is not None:
            events = load_custody(inputs, self._paths)
            return apply_custody(report, _parse_subject(receipt), events)
        for opened in inputs.bags:
            if Path(name).is_relative_to(opened.path / ORIGINALS):
                if opened.path not in self._in_bags:
                    self._in_bags[opened.path] = CustodyEvents(_read_all(opened.bag))
                return self._in_bags[opened.path].apply(inputs, report, receipt)
        return report


def load_custody(inputs: VerificationInputs, paths: Sequence[Path]) -> list[CustodyReceipt]:
    """Return the custody events of receipts, or of folders of receipts, each with its report.

    Raises:
        AnchorError: A receipt cannot be read, or is not of a custody event.
    """
    events = []
    for path in list_receipts(paths):
        data = read_receipt(path)
        event = _read(data)
        if event is None:
            raise MalformedError(Message("custody-receipt-not-of-event", path=path))
        events.append(_judge(inputs, event))
    return events


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
    """Return the custody event in a receipt; None for a receipt of other evidence.

    Raises:
        AnchorError: The receipt or its record cannot be read.
    """
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
