"""The notices of ``anchor verify``: those named, those in an opened bag, and the own project's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from anchor.bag.bag_format import ORIGINALS
from anchor.bag.bag_notices import list_bag_notices
from anchor.cli.bag_inputs import OpenedBag
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import list_receipts, read_receipt
from anchor.errors import AnchorError, MalformedError
from anchor.evidence.record_notice import RecordNotice, read_notice
from anchor.messages.message import Message
from anchor.receipt.format import MAX_RECEIPT_BYTES, Receipt, parse_receipt
from anchor.types import LogId
from anchor.verification.notice_claim import GivenNotice, apply_notices
from anchor.verification.report import Report

_BySubject = dict[bytes, list[GivenNotice]]


def read_named(paths: Sequence[Path]) -> Iterator[tuple[Path, RecordNotice, bytes]]:
    """Yield the notices in receipts, or in folders of receipts, with the receipts' bytes.

    Raises:
        UsageError: A file cannot be read, or is not the receipt of a notice.
    """
    for path in list_receipts(paths):
        data = read_receipt(path)
        try:
            notice = read_notice(parse_receipt(data).record)
        except AnchorError as error:
            failure = Message("named-receipt-unreadable", path=path)
            raise MalformedError(Message("with-reason", failure=failure, reason=error)) from error
        if notice is None:
            raise MalformedError(Message("notice-receipt-of-other", path=path))
        yield path, notice, data


class NoticeInputs:
    """The notices of a run, each verified once, however many records lead to it.

    Raises:
        UsageError: A file cannot be read, or is not the receipt of a notice.
    """

    def __init__(self, inputs: VerificationInputs, paths: Sequence[Path]) -> None:
        self._inputs = inputs
        self._named = _by_subject(
            self._give(str(path), notice, parse_receipt(data).log, partial(bytes, data), True)
            for path, notice, data in read_named(paths)
        )
        self._in_bags: dict[Path, _BySubject] = {}
        self._unread: AnchorError | None = None

    def apply(self, name: str, receipt: bytes | Receipt, report: Report) -> Report:
        """Return the report on ``name`` with the notices about its record."""
        if report.record is None:
            return report
        subject = receipt if isinstance(receipt, Receipt) else parse_receipt(receipt)
        sources = [self._named, *self._list_bags(name)]
        own = self._open_own(subject)

        def list_notices(record: bytes) -> list[GivenNotice]:
            given = [each for source in sources for each in source.get(record, ())]
            return [*given, *(own(record) if own is not None else ())]

        judged = apply_notices(report, subject, list_notices, is_log_at_hand=own is not None)
        return replace(judged, notes=(*judged.notes, *self._describe_own(judged, own is not None)))

    def _give(
        self,
        name: str,
        notice: RecordNotice,
        log: LogId,
        load: Callable[[], bytes | Receipt],
        is_demanded: bool = False,
    ) -> GivenNotice:
        @cache
        def judge() -> Report:
            nodes = self._inputs.nodes
            asked = nodes.asked_now
            report = self._inputs.judge(load(), notice.digests)
            # The nodes asked about the evidence, too, are those of the report.
            nodes.asked_now = list(dict.fromkeys([*asked, *nodes.asked_now]))
            return report

        return GivenNotice(name=name, notice=notice, log=log, is_demanded=is_demanded, judge=judge)

    def _list_bags(self, name: str) -> Iterator[_BySubject]:
        """Yield the notices in the bag that ``name`` is in."""
        for opened in self._inputs.bags:
            if Path(name).is_relative_to(opened.path / ORIGINALS):
                if opened.path not in self._in_bags:
                    self._in_bags[opened.path] = _by_subject(self._list_in_bag(opened))
                yield self._in_bags[opened.path]

    def _list_in_bag(self, opened: OpenedBag) -> Iterator[GivenNotice]:
        for name, notice, log in list_bag_notices(opened.bag):
            load = partial(opened.bag.read, name, MAX_RECEIPT_BYTES)
            yield self._give(name, notice, log, load)

    def _open_own(self, receipt: Receipt) -> Callable[[bytes], list[GivenNotice]] | None:
        """Return what lists the notices in the user's own project; None if that cannot tell."""
        if self._unread is not None:
            return None
        try:
            find = self._inputs.find_own_notices(receipt.log)
        except AnchorError as error:
            self._unread = error
            return None
        if find is None:
            return None
        name = str(self._inputs.choice.config)
        return lambda record: [
            self._give(name, notice, receipt.log, prove) for notice, prove in find(record)
        ]

    def _describe_own(self, report: Report, is_asked: bool) -> Iterator[Message]:
        if self._unread is not None:
            yield Message("notice-project-unread", reason=self._unread.message)
        elif is_asked and not report.notices:
            yield Message("notice-project-none")


def _by_subject(given: Iterable[GivenNotice]) -> _BySubject:
    notices: _BySubject = defaultdict(list)
    for each in given:
        notices[each.notice.subject].append(each)
    return dict(notices)
