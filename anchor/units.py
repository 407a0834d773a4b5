"""Formatting of values for people: durations, amounts, counts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

# In wei.
GWEI = 10**9
ETHER = 10**18

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def format_duration(seconds: float) -> str:
    """Format a duration by its two largest units: ``3 d 4 h``, ``2 min 5 s``, ``0 s``."""
    rest = max(round(seconds), 0)
    parts: list[str] = []
    for index, (size, unit) in enumerate(_STEPS):
        count, rest = divmod(rest, size)
        if count or (not parts and index == len(_STEPS) - 1):
            parts.append(f"{count:,} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def format_age(current_time: float, moment: float) -> str:
    """Return how long ago ``moment`` was; a moment in the future counts as now."""
    return f"{format_duration(current_time - moment)} ago"


def format_timestamp(moment: float) -> str:
    """Format a Unix timestamp in UTC, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S") + "Z"


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


def format_count(count: int, one: str, many: str) -> str:
    """Format a count with its noun: ``one`` for 1, otherwise ``many``."""
    return f"{count:,} {one if count == 1 else many}"


def format_leaves(count: int) -> str:
    """Format a number of leaves."""
    return format_count(count, "leaf", "leaves")


def _significant(value: float) -> str:
    """Format a number with four significant digits, and no exponent."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return format(Decimal(f"{value:.4g}").normalize(), ",f")
