"""How figures are spelled for people: durations, amounts, counts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

_ETHER = 10**18
_GWEI = 10**9
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def spell_duration(seconds: float) -> str:
    """Spell a duration by its two largest units: ``3 d 4 h``, ``2 min 5 s``, ``0 s``."""
    rest = max(round(seconds), 0)
    parts: list[str] = []
    for place, (size, unit) in enumerate(_STEPS):
        count, rest = divmod(rest, size)
        if count or (not parts and place == len(_STEPS) - 1):
            parts.append(f"{count:,} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def spell_age(current_time: float, moment: float) -> str:
    """Return how long ago ``moment`` was; clocks may differ, but nothing was in the future."""
    return f"{spell_duration(current_time - moment)} ago"


def spell_time(moment: float) -> str:
    """Spell a time in UTC, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S") + "Z"


def spell_wei(wei: int) -> str:
    """Spell an amount in ether, or in gwei where it is below a millionth of one."""
    if wei == 0:
        return "0 ether"
    if wei < _ETHER // 10**6:
        return f"{_significant(wei / _GWEI)} gwei"
    return f"{_significant(wei / _ETHER)} ether"


def spell_gwei(wei: int) -> str:
    """Spell an amount in gwei, however large, where amounts stand below each other."""
    return f"{_significant(wei / _GWEI)} gwei"


def spell_gas_price(wei: int) -> str:
    """Spell the price of a gas."""
    return f"{_significant(wei / _GWEI)} gwei"


def spell_count(count: int, one: str, many: str) -> str:
    """Spell a number of things."""
    return f"{count:,} {one if count == 1 else many}"


def spell_leaves(count: int) -> str:
    """Spell a number of the log's leaves."""
    return spell_count(count, "leaf", "leaves")


def _significant(value: float) -> str:
    """Spell a number with four significant digits, and no exponent."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return format(Decimal(f"{value:.4g}").normalize(), ",f")
