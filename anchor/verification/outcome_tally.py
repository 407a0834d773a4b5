"""What several verifications amount to: how many passed, with and without reservation."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from anchor.base.errors import AnchorError, SupersededError
from anchor.base.messages.message import Message, join
from anchor.verification.report import Report, Verdict, verdict_of


class VerificationOutcome(Enum):
    """What one verification amounts to, in the order in which a summary names them."""

    VERIFIED = auto()
    QUALIFIED = auto()
    SUPERSEDED = auto()
    FAILED = auto()
    OPEN = auto()


def outcome_of(report: Report) -> VerificationOutcome:
    """Return what a report amounts to; a pass with a reservation is no plain pass."""
    if report.error is None:
        return (
            VerificationOutcome.QUALIFIED if report.is_qualified else VerificationOutcome.VERIFIED
        )
    return outcome_of_error(report.error)


def outcome_of_error(error: AnchorError) -> VerificationOutcome:
    """Return what an error amounts to; evidence that its operator withdrew has not failed."""
    if isinstance(error, SupersededError):
        return VerificationOutcome.SUPERSEDED
    return (
        VerificationOutcome.FAILED
        if verdict_of(error) is Verdict.FAIL
        else VerificationOutcome.OPEN
    )


def describe_tally(counts: Mapping[VerificationOutcome, int]) -> Message:
    """Return how many verifications there were, and how many of each outcome that occurs."""
    named = {
        VerificationOutcome.VERIFIED: Message(
            "tally-verified", count=counts.get(VerificationOutcome.VERIFIED, 0)
        ),
        VerificationOutcome.QUALIFIED: Message(
            "tally-qualified", count=counts.get(VerificationOutcome.QUALIFIED, 0)
        ),
        VerificationOutcome.SUPERSEDED: Message(
            "tally-superseded", count=counts.get(VerificationOutcome.SUPERSEDED, 0)
        ),
        VerificationOutcome.FAILED: Message(
            "tally-failed", count=counts.get(VerificationOutcome.FAILED, 0)
        ),
        VerificationOutcome.OPEN: Message(
            "tally-open", count=counts.get(VerificationOutcome.OPEN, 0)
        ),
    }
    parts = [named[outcome] for outcome in VerificationOutcome if counts.get(outcome)]
    return Message("verification-tally", total=sum(counts.values()), parts=join(parts, "clause"))
