"""Formatting of values for people: durations, amounts, counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise

from anchor.base.messages.message import Message

# All of China uses it, all year.
BEIJING = timezone(timedelta(hours=8))
# In wei.
GWEI = 10**9
ETHER = 10**18


def format_duration(seconds: float) -> Message:
    """Format a duration by its two largest units: ``3 d 4 h``, ``2 min 5 s``, ``0 s``."""
    minutes, whole_seconds = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = (
        (days, Message("duration-days", count=days)),
        (hours, Message("duration-hours", count=hours)),
        (minutes, Message("duration-minutes", count=minutes)),
        (whole_seconds, Message("duration-whole-seconds", count=whole_seconds)),
    )
    for (count, larger), (rest, smaller) in pairwise(parts):
        if count:
            if rest:
                return Message("duration-of-two-units", larger=larger, smaller=smaller)
            return larger
    return parts[-1][1]


def format_age(current_time: float, moment: float) -> Message:
    """Return how long ago ``moment`` was; a moment in the future counts as now."""
    return Message("time-ago", duration=format_duration(current_time - moment))


def format_timestamp(moment: float) -> str:
    """Format a Unix timestamp as ``format_moment`` does."""
    return format_moment(datetime.fromtimestamp(moment, UTC))


def format_moment(time: datetime) -> str:
    """Format a time in UTC, to the second; for Chinese readers it is in Beijing time as well."""
    utc = time.astimezone(UTC)
    # A record may claim the last hours of the year 9999, in Beijing the year 10000.
    if utc > datetime.max.replace(tzinfo=UTC) - timedelta(hours=8):
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    return Message("moment-in-utc", utc=utc, beijing=utc.astimezone(BEIJING))


def format_stored_time(text: str) -> str:
    """Format a time of the store or of a record (RFC 3339) as ``format_moment`` does."""
    return format_moment(datetime.fromisoformat(text))


def format_stored_day(text: str) -> str:
    """Return the day of a stored time: in UTC, for Chinese readers in Beijing."""
    time = datetime.fromisoformat(text)
    return Message("day-in-utc", utc=time.astimezone(UTC), beijing=time.astimezone(BEIJING))


def format_wei(wei: int) -> str:
    """Format an amount in ether, or in gwei if it is below a millionth of an ether."""
    if wei == 0:
        return "0 ether"
    if wei < ETHER // 10**6:
        return f"{_significant(wei / GWEI)} gwei"
    return f"{_significant(wei / ETHER)} ether"


def format_in_gwei(wei: int) -> str:
    """Format an amount always in gwei, for a column of amounts."""
    return f"{_significant(wei / GWEI)} gwei"


def format_gas_price(wei: int) -> str:
    """Format the price of a unit of gas."""
    return f"{_significant(wei / GWEI)} gwei"


def format_bytes(size: int) -> str:
    """Return an amount of bytes, such as ``4.7 GiB``."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1_024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1_024
    return f"{amount:.1f} TiB"


def format_leaves(count: int) -> Message:
    """Format a number of leaves."""
    return Message("leaf-count-one") if count == 1 else Message("leaf-count", size=count)


def _significant(value: float) -> str:
    """Format a number with four significant digits, and no exponent."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return format(Decimal(f"{value:.4g}").normalize(), ",f")
