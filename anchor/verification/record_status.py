"""Whether a record stands: it may be superseded by another record, or withdrawn.

Pure.  That no notice follows is never proven by receipts: only who has the log can tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from anchor.base.errors import AnchorError, SupersededError, UsageError, attribute_error
from anchor.base.messages.message import Message
from anchor.base.units import format_moment
from anchor.ethereum.known_chains import ChainKind, proves_time
from anchor.evidence.record_notice import WITHDRAWS, RecordNotice


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFinding:
    """The verdict on one notice: ``error`` says why it does not count, None if it does.

    ``is_about_record``: its subject is the record that was verified, and not one that replaces it.
    ``is_open``: the error leaves open whether the notice is one of the log.  ``is_demanded``: the
    user named it.  ``existed_by`` is the time by which it was recorded, ``block_time`` that of its
    block, and ``chain_kind`` the kind of that block's chain.
    """

    name: str
    notice: RecordNotice
    is_about_record: bool
    is_demanded: bool
    existed_by: datetime | None = None
    block_time: datetime | None = None
    chain_kind: ChainKind | None = None
    error: AnchorError | None = None
    is_open: bool = False

    @property
    def detail(self) -> Message:
        """Return what the notice states, or why it does not count."""
        return describe_notice(self.notice) if self.error is None else self.error.message

    @property
    def line(self) -> Message:
        """Return the sentence about the notice: what it states and since when, or the reason."""
        name, detail = self.name, self.detail
        if self.existed_by is None or self.block_time is None or self.chain_kind is None:
            return Message("report-notice-aside", name=name, reason=detail)
        if proves_time(self.chain_kind):
            time = format_moment(self.existed_by)
            return Message("report-notice", detail=detail, time=time, name=name)
        time = format_moment(self.block_time)
        return Message("report-notice-block-time", detail=detail, time=time, name=name)

    @property
    def fault(self) -> AnchorError | None:
        """Return the error that counts for the whole report.

        A notice that nobody named and that is certainly none of the log says nothing: anybody can
        put one beside the evidence.
        """
        if self.error is not None:
            counts = self.is_demanded or self.is_open
            return attribute_error(self.error, self.name) if counts else None
        if not self.is_about_record:
            return None
        return SupersededError(
            describe_notice(self.notice),
            hint=Message("notice-hint"),
            replacement=self.notice.replacement,
        )


def check_new_notice(
    subject: bytes, replacement: bytes | None, known: Iterable[RecordNotice]
) -> None:
    """Check that a notice about ``subject`` may be recorded; ``known`` are those about the two.

    A record has one notice at most, and only a record without one can replace another: so chains
    end in one record, and none leads back to its start.

    Raises:
        UsageError: A record would supersede itself, or one of the two is superseded or withdrawn.
    """
    if subject == replacement:
        raise UsageError(Message("notice-supersedes-itself"))
    for notice in known:
        raise UsageError(describe_notice(notice), hint=Message("notice-recorded-already-hint"))


def describe_notice(notice: RecordNotice) -> Message:
    """Return what a notice states, and that its author states it."""
    if notice.kind == WITHDRAWS or notice.replacement is None:
        return Message(
            "notice-withdraws",
            record=notice.subject.hex(),
            time=notice.at,
            actor=notice.actor,
            reason=notice.reason,
        )
    return Message(
        "notice-supersedes",
        record=notice.subject.hex(),
        replacement=notice.replacement.hex(),
        time=notice.at,
        actor=notice.actor,
        reason=notice.reason,
    )
