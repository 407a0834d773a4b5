"""Notices in a bag: receipts in ``notices/``, which are verified like those of the originals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from anchor.bag.bag_format import NOTICES
from anchor.bag.bag_validation import ValidBag
from anchor.base.errors import AnchorError
from anchor.base.types import LogId
from anchor.evidence.record_notice import RecordNotice, read_notice
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import MAX_RECEIPT_BYTES, parse_receipt


class PackedNotice(NamedTuple):
    """A notice, the name of its receipt in the bag, and the log that the receipt states."""

    name: str
    notice: RecordNotice
    log: LogId


def list_bag_notices(bag: ValidBag) -> Iterator[PackedNotice]:
    """Yield the notices in a bag; other files in their folder are enclosures, and left out."""
    for name in sorted(bag.tags):
        if name.startswith(NOTICES) and name.endswith(RECEIPT_SUFFIX):
            try:
                receipt = parse_receipt(bag.read(name, MAX_RECEIPT_BYTES))
                notice = read_notice(receipt.record)
            except AnchorError:
                continue
            if notice is not None:
                yield PackedNotice(name, notice, receipt.log)
