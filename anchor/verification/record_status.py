"""Whether a record stands: it may be superseded by another record, or withdrawn.

Pure.  That no notice follows is never proven by receipts: only who has the log can tell.
"""

from __future__ import annotations

from collections.abc import Callable

from anchor.errors import UsageError
from anchor.evidence.record_notice import WITHDRAWS, RecordNotice
from anchor.messages.message import Message

FindNotice = Callable[[bytes], RecordNotice | None]
"""Finds the notice about the record with this SHA-256."""


def check_new_notice(subject: bytes, replacement: bytes | None, find: FindNotice) -> None:
    """Check that a notice about ``subject`` may be recorded.

    A record has one notice at most, and only a record without one can replace another: so chains
    end in one record, and none leads back to its start.

    Raises:
        UsageError: A record would supersede itself, or one of the two is superseded or withdrawn.
    """
    if subject == replacement:
        raise UsageError(Message("notice-supersedes-itself"))
    for record in (subject, replacement):
        notice = None if record is None else find(record)
        if notice is not None:
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
