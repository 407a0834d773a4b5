"""Times of a certificate: RFC 3339 in UTC, shown in Beijing time and in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, translate
from anchor.base.units import format_stored_time

_TIME = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The time of verification and issue, by the machine's clock or as given by the issuer."""

    at: datetime
    clock: Literal["machine", "given"]


def format_seconds(timestamp: int) -> str:
    """Format a time given in Unix seconds, in UTC."""
    return format_utc(datetime.fromtimestamp(timestamp, UTC))


def format_utc(time: datetime) -> str:
    """Format a time in UTC, to the second."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def describe_time(text: str) -> str:
    """Return a certificate's time in Beijing time and in UTC: one line for both languages."""
    return translate(format_stored_time(text), "zh")


def choose_moment(named: str | None, epoch: str | None, current: datetime) -> Moment:
    """Return the moment of issue: as named (RFC 3339, UTC), from SOURCE_DATE_EPOCH, or now.

    Raises:
        UsageError: The text is not a time, or the time is later than now.
    """
    if named is None and not epoch:
        return Moment(at=current.replace(microsecond=0), clock="machine")
    try:
        at = _parse(named) if named is not None else _parse_epoch(epoch or "")
    except (ValueError, OverflowError, OSError):
        which = "--issued-at" if named is not None else "SOURCE_DATE_EPOCH"
        raise UsageError(
            Message("certificate-time-malformed", name=which, actual=(named or epoch or "")[:40]),
            hint=Message("certificate-time-hint"),
        ) from None
    if at > current:
        raise UsageError(Message("certificate-issued-in-future", time=format_utc(at)))
    return Moment(at=at, clock="given")


def _parse(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise ValueError
    return datetime.fromisoformat(text)


def _parse_epoch(text: str) -> datetime:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise ValueError
    return datetime.fromtimestamp(int(text), UTC)
