"""The custody events of ``anchor verify --custody``: receipts, judged like the evidence's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import list_receipts, read_receipt
from anchor.errors import MalformedError
from anchor.evidence.group_reading import read_custody_event
from anchor.messages.message import Message
from anchor.receipt.format import Receipt, parse_receipt
from anchor.verification.collection_account import CustodyReceipt, apply_custody
from anchor.verification.report import Report


def judge_custody(
    inputs: VerificationInputs, report: Report, receipt: bytes | Receipt, paths: Sequence[Path]
) -> Report:
    """Return the report with the verdict on the custody events in ``paths``, if there are any.

    A path is a receipt, or a folder of receipts.

    Raises:
        AnchorError: A receipt cannot be read, or is not of a custody event.
    """
    if report.record is None or not paths:
        return report
    subject = receipt if isinstance(receipt, Receipt) else parse_receipt(receipt)
    return apply_custody(report, subject, load_custody(inputs, paths))


def load_custody(inputs: VerificationInputs, paths: Sequence[Path]) -> list[CustodyReceipt]:
    """Return the custody events of receipts, or of folders of receipts, each with its report.

    Raises:
        AnchorError: A receipt cannot be read, or is not of a custody event.
    """
    events = []
    for path in list_receipts(paths):
        data = read_receipt(path)
        parsed = parse_receipt(data)
        event = read_custody_event(parsed.record)
        if event is None:
            raise MalformedError(Message("custody-receipt-not-of-event", path=path))
        events.append(CustodyReceipt(receipt=parsed, report=inputs.judge(data, event.digests())))
    return events
