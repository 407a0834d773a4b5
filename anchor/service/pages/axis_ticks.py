"""Where an axis has its marks, and what stands beside them: round numbers, durations, times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

MINUTE = 60
HOUR = 3_600
DAY = 86_400

_DURATIONS = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * DAY for days in (1, 2, 5, 7, 14, 30, 60, 90, 180, 365)),
)
_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))
# No gwei, gas or leaf is as little as this.
_NOTHING = 1e-9
_PREFIXES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark at ``value`` and its text."""

    value: float
    text: str


def mark_amounts(most: float, count: int) -> list[Tick]:
    """Return about ``count`` round amounts from 0 up to ``most`` or the next round one."""
    if most < _NOTHING:
        return [Tick(value=0, text="0")]
    step = _round_step(most / count)
    return [_mark_amount(number * step, step) for number in range(_count_steps(most, step) + 1)]


def mark_durations(most: float, count: int) -> list[Tick]:
    """Return about ``count`` round durations, in seconds, from 0 up to ``most`` or above."""
    if most <= 1:
        return [Tick(value=0, text="0"), Tick(value=1, text="1 s")]
    step = _choose_step(most / count)
    size, unit = next(item for item in _UNITS if step >= item[0])
    return [
        Tick(value=number * step, text=f"{number * step / size:g} {unit}" if number else "0")
        for number in range(_count_steps(most, step) + 1)
    ]


def mark_times(start: float, end: float, count: int) -> list[Tick]:
    """Return about ``count`` round times (UTC) from ``start`` to ``end``, in Unix seconds."""
    step = max(_choose_step((end - start) / count), MINUTE)
    first = math.ceil(start / step) * step
    pattern = "%H:%M" if step < DAY else "%d %b"
    ticks = []
    while first <= end:
        moment = datetime.fromtimestamp(first, UTC)
        is_midnight = step < DAY and first % DAY == 0
        ticks.append(Tick(value=first, text=moment.strftime("%d %b" if is_midnight else pattern)))
        first += step
    return ticks


def spell_amount(value: float) -> str:
    """Spell an amount shortly: ``950``, ``1.2 k``, ``0.004``."""
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{value / size:.4g} {prefix}"
    return f"{value:.4g}"


def _mark_amount(value: float, step: float) -> Tick:
    # A sum of steps has a rest of floating point behind it.
    digits = max(0, -math.floor(math.log10(step)))
    return Tick(value=value, text=spell_amount(round(value, digits)))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _choose_step(rough: float) -> int:
    for step in _DURATIONS:
        if step >= rough:
            return step
    return math.ceil(rough / (365 * DAY)) * 365 * DAY


def _count_steps(most: float, step: float) -> int:
    return max(1, math.ceil(most / step - 1e-9))
