"""Charts as SVG: pure functions from data to text, styled by the page's style sheet alone.

Nothing is coloured here, so that one picture is right in light and dark.  Every chart has a title
and a description for those who do not see it; each mark has a tooltip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

from anchor.service.pages.axis_ticks import Tick, mark_times

Scale: TypeAlias = Callable[[float, int], list[Tick]]
"""Marks amounts from 0 up to the greatest of them, about so many."""

WIDTH, HEIGHT = 560, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 12, 14, 34
_MARKS_Y, _MARKS_X = 4, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One value at a time (Unix seconds), with the text of its tooltip; a bar ends at ``until``."""

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
    """What one chart shows; ``scale`` marks its amounts, ``empty`` is said where there are none.

    ``limit`` draws a line at a value that must not be passed.
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
    place = _Place(chart.start, max(chart.end, chart.start + 1), max(ticks[-1].value, most) or 1.0)
    parts = [_draw_amounts(ticks, place), _draw_times(chart, place)]
    if chart.limit is not None and chart.limit.value <= place.most:
        parts.append(_draw_limit(chart.limit, place))
    parts += [_draw_series(series, place) for series in chart.series]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value is on the picture."""

    start: float
    end: float
    most: float

    def x(self, at: float) -> float:
        share = (at - self.start) / (self.end - self.start)
        return round(_LEFT + min(max(share, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = min(max(value / self.most, 0.0), 1.0)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def _draw_amounts(ticks: Sequence[Tick], place: _Place) -> str:
    return "".join(
        f'<line class="{"axis" if tick.value == 0 else "grid"}" x1="{_LEFT}" '
        f'x2="{WIDTH - _RIGHT}" y1="{place.y(tick.value)}" y2="{place.y(tick.value)}"/>'
        f'<text class="amount" x="{_LEFT - 8}" y="{place.y(tick.value) + 4}">'
        f"{escape(tick.text)}</text>"
        for tick in ticks
    )


def _draw_times(chart: Chart, place: _Place) -> str:
    parts = []
    for number, tick in enumerate(mark_times(chart.start, place.end, _MARKS_X)):
        x = place.x(tick.value)
        if not _LEFT + 4 <= x <= WIDTH - _RIGHT - 14:
            continue  # its text would leave the picture, or meet the amounts
        kind = "time" if number % 2 == 0 else "time minor"
        parts.append(
            f'<line class="axis" x1="{x}" x2="{x}" y1="{place.y(0)}" y2="{place.y(0) + 4}"/>'
            f'<text class="{kind}" x="{x}" y="{HEIGHT - 12}">{escape(tick.text)}</text>'
        )
    return "".join(parts)


def _draw_limit(limit: Mark, place: _Place) -> str:
    y = place.y(limit.value)
    return (
        f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text class="limit-text" x="{WIDTH - _RIGHT}" y="{y - 5}">{escape(limit.text)}</text>'
    )


def _draw_series(series: Series, place: _Place) -> str:
    draw = "".join(
        _draw_dot(mark, place) if mark.until is None else _draw_bar(mark, mark.until, place)
        for mark in series.marks
    )
    return f'<g class="{escape(series.style)}">{draw}</g>'


def _draw_dot(mark: Mark, place: _Place) -> str:
    return (
        f'<circle cx="{place.x(mark.at)}" cy="{place.y(mark.value)}" r="3">'
        f"<title>{escape(mark.text)}</title></circle>"
    )


def _draw_bar(mark: Mark, until: float, place: _Place) -> str:
    left, right, top = place.x(mark.at), place.x(until), place.y(mark.value)
    width = max(right - left - 2, 1)  # a gap of two between bars
    height = round(place.y(0) - top, 1)
    return (
        f'<rect x="{left + 1:.1f}" y="{top}" width="{width:.1f}" height="{height}" rx="1.5">'
        f"<title>{escape(mark.text)}</title></rect>"
    )
