"""The notices of ``anchor verify``: those named, those in an opened bag, and the own project's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from anchor.bag.bag_format import ORIGINALS
from anchor.bag.bag_notices import list_bag_notices
from anchor.base.errors import AnchorError, CannotCheckError, MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import LogId
from anchor.cli.bag_inputs import OpenedBag
from anchor.cli.console import Colour, Output
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import list_receipts, read_receipt
from anchor.cli.own_notices import OwnNotices
from anchor.evidence.record_notice import RecordNotice, read_notice
from anchor.log.publication import WebPublication
from anchor.receipt.format import MAX_RECEIPT_BYTES, Receipt, parse_receipt
from anchor.verification.notice_claim import GivenNotice, apply_notices
from anchor.verification.report import Report

_WEB = ("http://", "https://")
_BySubject = dict[bytes, list[GivenNotice]]


def read_named(paths: Sequence[Path]) -> Iterator[tuple[Path, RecordNotice, bytes]]:
    """Yield the notices in receipts, or in folders of receipts, with the receipts' bytes."""
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

    ``given`` are receipts, folders of receipts, and URLs of services.
    """

    def __init__(self, inputs: VerificationInputs, given: Sequence[str]) -> None:
        self._inputs = inputs
        urls = [each for each in given if each.startswith(_WEB)]
        if urls and inputs.is_offline:
            raise UsageError(Message("option-offline-with-service"))
        self._services = [WebPublication(url, max_bytes=MAX_RECEIPT_BYTES) for url in urls]
        self._named = _by_subject(
            self._give(str(path), notice, parse_receipt(data).log, partial(bytes, data), True)
            for path, notice, data in read_named([Path(each) for each in given if each not in urls])
        )
        self._in_bags: dict[Path, _BySubject] = {}
        self._reached: set[bytes] = set()
        self._unread: AnchorError | None = None
        self._unanswered: CannotCheckError | None = None

    def apply(self, name: str, receipt: bytes | Receipt, report: Report) -> Report:
        """Return the report on ``name`` with the notices about its record."""
        if report.record is None:
            return report
        subject = receipt if isinstance(receipt, Receipt) else parse_receipt(receipt)
        sources = [self._named, *self._list_bags(name)]
        own = self._open_own(subject)
        holds_log = own is not None and own.holds_log

        def list_notices(record: bytes) -> list[GivenNotice]:
            self._reached.add(record)
            given = [each for source in sources for each in source.get(record, ())]
            given += self._ask_services(record)
            for notice, prove in () if own is None else own.find(record):
                name = str(self._inputs.choice.config)
                given.append(self._give(name, notice, subject.log, prove))
            return given

        try:
            judged = apply_notices(report, subject, list_notices, is_log_at_hand=holds_log)
        except AnchorError as error:
            unknown = Message("notice-status-unknown", reason=error.message)
            notes = (*report.notes, unknown)
            return replace(report, status_error=CannotCheckError(unknown), notes=notes)
        return replace(judged, notes=(*judged.notes, *self._describe_none(judged, holds_log)))

    def warn_of_unused(self, output: Output) -> None:
        """Print which named notices are about none of the records verified."""
        unused = [each for subject, each in self._named.items() if subject not in self._reached]
        for notice in (each for some in unused for each in some):
            text = Message("notice-about-none", name=notice.name)
            output.note(text, mark=Message("warning-mark"), colour=Colour.YELLOW)

    def _ask_services(self, record: bytes) -> Iterator[GivenNotice]:
        """Yield the notices about a record that the named services have."""
        if self._unanswered is not None:
            raise self._unanswered
        for service in self._services:
            try:
                data = service.read(f"v1/notices/{record.hex()}")
            except CannotCheckError as error:
                self._unanswered = error  # of many files, only the first one waits for it
                raise
            if data is None:
                continue
            try:
                receipt = parse_receipt(data)
                notice = read_notice(receipt.record)
            except AnchorError as error:
                reason = Message("notice-service-answer", name=service.name, reason=error)
                raise CannotCheckError(reason) from error
            if notice is None or notice.subject != record:
                raise CannotCheckError(Message("notice-service-other", name=service.name))
            yield self._give(service.name, notice, receipt.log, partial(bytes, data), True)

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

    def _open_own(self, receipt: Receipt) -> OwnNotices | None:
        """Return the notices in the user's own project; None if there are none to be read."""
        if self._unread is None:
            try:
                return self._inputs.open_own_notices(receipt.log)
            except AnchorError as error:
                self._unread = error
        return None

    def _describe_none(self, report: Report, holds_log: bool) -> Iterator[Message]:
        if self._unread is not None:
            yield Message("notice-project-unread", reason=self._unread.message)
        elif holds_log and not report.notices:
            yield Message("notice-project-none")
        if not report.notices:
            for service in self._services:
                yield Message("notice-service-none", name=service.name)


def _by_subject(given: Iterable[GivenNotice]) -> _BySubject:
    notices: _BySubject = defaultdict(list)
    for each in given:
        notices[each.notice.subject].append(each)
    return dict(notices)
