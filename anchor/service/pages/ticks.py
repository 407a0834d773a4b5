"""The ticks of a chart's axes: round amounts, durations and times."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from anchor.messages.message import Message

MINUTE = 60
HOUR = 3_600
DAY = 86_400

_DURATIONS = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * DAY for days in (1, 2, 5, 7, 14, 30, 60, 90, 180, 365)),
)
_MONTHS = (
    Message("month-january"),
    Message("month-february"),
    Message("month-march"),
    Message("month-april"),
    Message("month-may"),
    Message("month-june"),
    Message("month-july"),
    Message("month-august"),
    Message("month-september"),
    Message("month-october"),
    Message("month-november"),
    Message("month-december"),
)
# Smaller than any amount of gwei, gas or leaves that occurs.
_NOTHING = 1e-9
_PREFIXES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A tick of an axis at ``value``, and its label: a message, or a number."""

    value: float
    text: str


Scale: TypeAlias = Callable[[float, int], list[Tick]]
"""A function that returns about ``count`` ticks for amounts from 0 up to the greatest."""


def mark_amounts(most: float, count: int) -> list[Tick]:
    """Return about ``count`` ticks at round amounts from 0 to ``most`` or the next round amount."""
    if most < _NOTHING:
        return [Tick(value=0, text="0")]
    step = _round_step(most / count)
    return [_mark_amount(number * step, step) for number in range(_count_steps(most, step) + 1)]


def mark_durations(most: float, count: int) -> list[Tick]:
    """Return about ``count`` ticks at round durations (seconds) from 0 to ``most`` or above."""
    if most <= 1:
        return [Tick(value=0, text="0"), Tick(value=1, text=_write_duration(1, 1))]
    step = _choose_step(most / count)
    return [
        Tick(value=number * step, text=_write_duration(number * step, step) if number else "0")
        for number in range(_count_steps(most, step) + 1)
    ]


def _write_duration(seconds: int, step: int) -> Message:
    """Return a multiple of the step, in the largest unit that is not larger than the step."""
    if step >= DAY:
        return Message("duration-days", count=seconds // DAY)
    if step >= HOUR:
        return Message("duration-hours", count=seconds // HOUR)
    if step >= MINUTE:
        return Message("duration-minutes", count=seconds // MINUTE)
    return Message("duration-whole-seconds", count=seconds)


def mark_times(start: float, end: float, count: int) -> list[Tick]:
    """Return about ``count`` ticks at round UTC times between two Unix times in seconds."""
    step = max(_choose_step((end - start) / count), MINUTE)
    first = math.ceil(start / step) * step
    ticks = []
    while first <= end:
        ticks.append(
            Tick(value=first, text=format_hour(first) if first % DAY else format_day(first))
        )
        first += step
    return ticks


def format_day(moment: float) -> Message:
    """Format the UTC day of a Unix time in seconds, without its year."""
    date = datetime.fromtimestamp(moment, UTC)
    return Message("chart-day", day=date.day, month=_MONTHS[date.month - 1])


def format_hour(moment: float) -> str:
    """Format the UTC time of day of a Unix time in seconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M")


def format_amount(value: float) -> str:
    """Format an amount briefly: ``950``, ``1.2 k``, ``0.004``."""
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{value / size:.4g} {prefix}"
    return f"{value:.4g}"


def _mark_amount(value: float, step: float) -> Tick:
    # A sum of steps has a floating-point error.
    digits = max(0, -math.floor(math.log10(step)))
    return Tick(value=value, text=format_amount(round(value, digits)))


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
