"""Charts as SVG: pure functions from data to text, styled by the page's style sheet alone.

No colours are set here, so that one picture suits light and dark mode.  Every chart has a title
and a description for screen readers; each mark has a tooltip.

Two chart libraries were tried instead.  pygal 3.1 adds a style element and a script, which the
pages' policy forbids, needs that script for tooltips, and marks axes at 13 min 20 s or 07:33;
leather 0.4 fixes its colours in attributes, white even in dark mode, and has no tooltips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TypeAlias

WIDTH, HEIGHT = 560, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 12, 14, 34
_MARKS_Y, _MARKS_X = 4, 6


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
# Smaller than any amount of gwei, gas or leaves that occurs.
_NOTHING = 1e-9
_PREFIXES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A tick of an axis at ``value``, and its label."""

    value: float
    text: str


Scale: TypeAlias = Callable[[float, int], list[Tick]]
"""A function that returns about ``count`` ticks for amounts from 0 up to the greatest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value at a point in time (Unix seconds), and its tooltip; a bar ends at ``until``."""

    at: float
    value: float
    text: str
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Marks of one kind; ``style`` is a class of the style sheet: ``first`` or ``second``."""

    name: str
    style: str
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The content of a chart; ``scale`` returns its ticks, ``empty`` is shown if it has no marks.

    ``limit`` draws a line at a value that must not be exceeded.
    """

    name: str
    title: str
    description: str
    empty: str
    start: float
    end: float
    series: Sequence[Series]
    scale: Scale
    limit: Mark | None = None


def draw_chart(chart: Chart) -> str:
    """Return the chart as an SVG element."""
    marks = [mark for series in chart.series for mark in series.marks]
    title = f'<title id="{chart.name}-title">{escape(chart.title)}</title>'
    description = chart.description if marks else chart.empty
    title += f'<desc id="{chart.name}-desc">{escape(description)}</desc>'
    body = _draw_plot(chart, marks) if marks else _draw_empty(chart.empty)
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'aria-labelledby="{chart.name}-title {chart.name}-desc">{title}{body}</svg>'
    )


def _draw_empty(text: str) -> str:
    return (
        f'<rect class="ground" x="0" y="0" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text class="empty" x="{WIDTH // 2}" y="{HEIGHT // 2}">{escape(text)}</text>'
    )


def _draw_plot(chart: Chart, marks: Sequence[Mark]) -> str:
    most = max(mark.value for mark in marks)
    if chart.limit is not None and chart.limit.value <= 2 * most:
        most = max(most, chart.limit.value)
    ticks = chart.scale(most, _MARKS_Y)
    axes = _Axes(chart.start, max(chart.end, chart.start + 1), max(ticks[-1].value, most) or 1.0)
    parts = [_draw_amounts(ticks, axes), _draw_times(chart, axes)]
    if chart.limit is not None and chart.limit.value <= axes.most:
        parts.append(_draw_limit(chart.limit, axes))
    parts += [_draw_series(series, axes) for series in chart.series]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Axes:
    """The coordinates of times and values, in units of the view box."""

    start: float
    end: float
    most: float

    def x(self, at: float) -> float:
        share = (at - self.start) / (self.end - self.start)
        return round(_LEFT + min(max(share, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = min(max(value / self.most, 0.0), 1.0)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def _draw_amounts(ticks: Sequence[Tick], axes: _Axes) -> str:
    return "".join(
        f'<line class="{"axis" if tick.value == 0 else "grid"}" x1="{_LEFT}" '
        f'x2="{WIDTH - _RIGHT}" y1="{axes.y(tick.value)}" y2="{axes.y(tick.value)}"/>'
        f'<text class="amount" x="{_LEFT - 8}" y="{axes.y(tick.value) + 4}">'
        f"{escape(tick.text)}</text>"
        for tick in ticks
    )


def _draw_times(chart: Chart, axes: _Axes) -> str:
    parts = []
    for number, tick in enumerate(mark_times(chart.start, axes.end, _MARKS_X)):
        x = axes.x(tick.value)
        if not _LEFT + 4 <= x <= WIDTH - _RIGHT - 14:
            continue  # its label would leave the picture, or overlap the amounts
        kind = "time" if number % 2 == 0 else "time minor"
        parts.append(
            f'<line class="axis" x1="{x}" x2="{x}" y1="{axes.y(0)}" y2="{axes.y(0) + 4}"/>'
            f'<text class="{kind}" x="{x}" y="{HEIGHT - 12}">{escape(tick.text)}</text>'
        )
    return "".join(parts)


def _draw_limit(limit: Mark, axes: _Axes) -> str:
    y = axes.y(limit.value)
    return (
        f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text class="limit-text" x="{WIDTH - _RIGHT}" y="{y - 5}">{escape(limit.text)}</text>'
    )


def _draw_series(series: Series, axes: _Axes) -> str:
    draw = "".join(
        _draw_dot(mark, axes) if mark.until is None else _draw_bar(mark, mark.until, axes)
        for mark in series.marks
    )
    return f'<g class="{escape(series.style)}">{draw}</g>'


def _draw_dot(mark: Mark, axes: _Axes) -> str:
    return (
        f'<circle cx="{axes.x(mark.at)}" cy="{axes.y(mark.value)}" r="3">'
        f"<title>{escape(mark.text)}</title></circle>"
    )


def _draw_bar(mark: Mark, until: float, axes: _Axes) -> str:
    left, right, top = axes.x(mark.at), axes.x(until), axes.y(mark.value)
    width = max(right - left - 2, 1)  # a gap of two between bars
    height = round(axes.y(0) - top, 1)
    return (
        f'<rect x="{left + 1:.1f}" y="{top}" width="{width:.1f}" height="{height}" rx="1.5">'
        f"<title>{escape(mark.text)}</title></rect>"
    )


def mark_amounts(most: float, count: int) -> list[Tick]:
    """Return about ``count`` ticks at round amounts from 0 to ``most`` or the next round amount."""
    if most < _NOTHING:
        return [Tick(value=0, text="0")]
    step = _round_step(most / count)
    return [_mark_amount(number * step, step) for number in range(_count_steps(most, step) + 1)]


def mark_durations(most: float, count: int) -> list[Tick]:
    """Return about ``count`` ticks at round durations (seconds) from 0 to ``most`` or above."""
    if most <= 1:
        return [Tick(value=0, text="0"), Tick(value=1, text="1 s")]
    step = _choose_step(most / count)
    size, unit = next(scale for scale in _UNITS if step >= scale[0])
    return [
        Tick(value=number * step, text=f"{number * step / size:g} {unit}" if number else "0")
        for number in range(_count_steps(most, step) + 1)
    ]


def mark_times(start: float, end: float, count: int) -> list[Tick]:
    """Return about ``count`` ticks at round UTC times between two Unix times in seconds."""
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
