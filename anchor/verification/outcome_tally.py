"""What several verifications amount to: how many passed, with and without reservation."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from anchor.errors import AnchorError, SupersededError
from anchor.messages.message import Message, join
from anchor.verification.report import Report, Verdict, verdict_of


class Outcome(Enum):
    """What one verification amounts to, in the order in which a summary names them."""

    VERIFIED = auto()
    QUALIFIED = auto()
    SUPERSEDED = auto()
    FAILED = auto()
    OPEN = auto()


def outcome_of(report: Report) -> Outcome:
    """Return what a report amounts to; a pass with a reservation is no plain pass."""
    if report.error is None:
        return Outcome.QUALIFIED if report.is_qualified else Outcome.VERIFIED
    return outcome_of_error(report.error)


def outcome_of_error(error: AnchorError) -> Outcome:
    """Return what an error amounts to; evidence that its operator withdrew has not failed."""
    if isinstance(error, SupersededError):
        return Outcome.SUPERSEDED
    return Outcome.FAILED if verdict_of(error) is Verdict.FAIL else Outcome.OPEN


def describe_tally(counts: Mapping[Outcome, int]) -> Message:
    """Return how many verifications there were, and how many of each outcome that occurs."""
    named = {
        Outcome.VERIFIED: Message("tally-verified", count=counts.get(Outcome.VERIFIED, 0)),
        Outcome.QUALIFIED: Message("tally-qualified", count=counts.get(Outcome.QUALIFIED, 0)),
        Outcome.SUPERSEDED: Message("tally-superseded", count=counts.get(Outcome.SUPERSEDED, 0)),
        Outcome.FAILED: Message("tally-failed", count=counts.get(Outcome.FAILED, 0)),
        Outcome.OPEN: Message("tally-open", count=counts.get(Outcome.OPEN, 0)),
    }
    parts = [named[outcome] for outcome in Outcome if counts.get(outcome)]
    return Message("verification-tally", total=sum(counts.values()), parts=join(parts, "clause"))
