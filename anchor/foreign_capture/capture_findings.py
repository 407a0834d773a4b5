"""Findings about a capture: each check is passed, failed, or not made, with one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.collection.cleanliness import build_check
from anchor.evidence.observed_groups import CheckResult, CleanlinessCheck

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)", re.ASCII)
# Python reads at most six digits.
_FRACTION = re.compile(r"(\.\d{6})\d+")


class CaptureFault(MalformedError):
    """The contents of a capture contradict its format: a finding that failed, not a refusal."""


@dataclass(slots=True)
class CaptureFinding:
    """One check, made of so many parts: which passed, and the first that did not.

    ``skipped`` parts were not checked.
    """

    id: str
    title: Message
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failure: Message | None = None
    gap: Message | None = None

    def add_pass(self, count: int = 1) -> None:
        """Count parts that passed."""
        self.passed += count

    def add_failure(self, reason: Message) -> None:
        """Count a part that failed."""
        self.failed += 1
        self.failure = self.failure or reason

    def add_gap(self, reason: Message, count: int = 1) -> None:
        """Count parts that were not checked."""
        self.skipped += count
        self.gap = self.gap or reason

    def build(self) -> CleanlinessCheck:
        """Return the check with its result; without any part it is not made."""
        return build_check(self.id, self.title, self._sum_up())

    def _sum_up(self) -> tuple[CheckResult, Message]:
        if self.failure is not None:
            total = self.failed + self.passed + self.skipped
            if total == 1:
                return "fail", self.failure
            return "fail", Message(
                "foreign-finding-fail", failed=self.failed, total=total, reason=self.failure
            )
        if self.gap is not None:
            if self.skipped == 1 and not self.passed:
                return "not_checked", self.gap
            return "not_checked", Message(
                "foreign-finding-gap", skipped=self.skipped, passed=self.passed, reason=self.gap
            )
        if not self.passed:
            return "not_checked", Message("foreign-finding-none")
        return "pass", Message("foreign-finding-pass", passed=self.passed)


@dataclass(slots=True, kw_only=True)
class StatedCapture:
    """What a capture states of itself, and what was found in it."""

    version: str | None = None
    software: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    pages: int | None = None
    exchanges: int = 0
    findings: dict[str, CaptureFinding] = field(default_factory=dict)

    def find(self, id: str, title: Message) -> CaptureFinding:
        """Return the finding of this id, new at first."""
        return self.findings.setdefault(id, CaptureFinding(id, title))

    def add_time(self, time: datetime | None) -> None:
        """Widen the range of times that the capture states."""
        if time is not None:
            self.first = min(self.first or time, time)
            self.last = max(self.last or time, time)


def sum_up(findings: Iterable[CleanlinessCheck]) -> CheckResult:
    """Return the result of all findings."""
    results = {finding.result for finding in findings}
    if "fail" in results:
        return "fail"
    return "not_checked" if "not_checked" in results else "pass"


def parse_stated_time(text: object) -> datetime | None:
    """Return a time of RFC 3339 as UTC; None for anything else, such as a time without a zone."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(_FRACTION.sub(r"\1", text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
