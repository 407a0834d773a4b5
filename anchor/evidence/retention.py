"""Retention dates: what a record says, what is due when, and what beats an erasure.

Evidence whose date has passed is erased after a grace period, and never before people were told:
``NOTICE_DAYS`` before, or later if the date was set later; the last notice is always a week before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from anchor.base.system.clock import format_unix_time, parse_time
from anchor.evidence.group_reading import read_groups

NOTICE_DAYS: Final = (30, 7)
"""Days before the erasure at which people are told of it."""
RETRY_SECONDS: Final = 86_400.0
"""After what time an erasure is tried again that something beats."""

MARK: Final = b'"retention_until":'
"""What is in the bytes of each record with a date."""

RetentionAction: TypeAlias = Literal["wait", "tell", "erase"]

Beater: TypeAlias = Literal["hold", "record-hold", "case", "audit-trail", "shared", "refused"]
"""What keeps evidence whose date has passed.

A legal hold, or one that the record states; an open case; being a day of the audit trail; another
piece with the same record that is not due; or a refusal of the erasure itself.
"""

_DAY = 86_400
# The last moment that the store's columns can hold.
_LATEST = parse_time("9999-12-31T23:59:59.000Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionFacts:
    """What may beat the erasure of a piece.

    ``is_kept_elsewhere``: another piece has the same record, and is not due.
    """

    is_held: bool
    states_hold: bool
    is_exhibit: bool
    is_audit_trail: bool
    is_kept_elsewhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionStep:
    """What is to be done about a date.

    ``told`` notices are told after it; ``next_at`` is when to look again, in Unix seconds.
    """

    action: RetentionAction
    told: int
    next_at: float


def read_retention(record: bytes) -> str | None:
    """Return the date that a record states, in the format of the store; None if it states none."""
    until = read_groups(record).groups.retention_until if MARK in record else None
    return None if until is None else format_unix_time(parse_time(until))


def states_hold(record: bytes) -> bool:
    """Return whether a record states that it is under a legal hold."""
    return b'"legal_hold":' in record and read_groups(record).groups.legal_hold is not None


def erasure_time(until: str, grace_days: int) -> float:
    """Return from when evidence may be erased, in Unix seconds."""
    return parse_time(until) + grace_days * _DAY


def format_moment(seconds: float) -> str:
    """Return a time as the store's columns hold it, at the latest in the year 9999."""
    return format_unix_time(min(seconds, _LATEST))


def plan_step(
    until: str, *, told: int, told_at: str | None, grace_days: int, at: float
) -> RetentionStep:
    """Return what is to be done at ``at`` (Unix seconds) about a date.

    ``told`` notices were given, the last one at ``told_at``.
    """
    erased_from = erasure_time(until, grace_days)
    due = sum(at >= erased_from - days * _DAY for days in NOTICE_DAYS)
    if due > told:
        after = plan_step(until, told=due, told_at=format_moment(at), grace_days=grace_days, at=at)
        return RetentionStep(action="tell", told=due, next_at=after.next_at)
    if told < len(NOTICE_DAYS):
        return RetentionStep(
            action="wait", told=told, next_at=erased_from - NOTICE_DAYS[told] * _DAY
        )
    since = at if told_at is None else parse_time(told_at)
    earliest = max(erased_from, since + NOTICE_DAYS[-1] * _DAY)
    return RetentionStep(
        action="erase" if at >= earliest else "wait", told=told, next_at=max(earliest, at)
    )


def find_beater(facts: RetentionFacts) -> Beater | None:
    """Return what beats the erasure of a piece whose date has passed; None if nothing does."""
    if facts.is_held:
        return "hold"
    if facts.states_hold:
        return "record-hold"
    if facts.is_exhibit:
        return "case"
    if facts.is_audit_trail:
        return "audit-trail"
    return "shared" if facts.is_kept_elsewhere else None
