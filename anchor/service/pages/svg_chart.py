"""Charts as SVG, in a language: pure functions from data to text, styled by the style sheet alone.

No colours are set here, so that one picture suits light and dark mode.  Every chart has a title
and a description for screen readers; each mark has a tooltip.

Two chart libraries were tried instead.  pygal 3.1 adds a style element and a script, which the
pages' policy forbids, needs that script for tooltips, and marks axes at 13 min 20 s or 07:33;
leather 0.4 fixes its colours in attributes, white even in dark mode, and has no tooltips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from anchor.messages.catalogue import Language
from anchor.messages.message import Message, translate
from anchor.service.pages.ticks import Scale, Tick, mark_times

WIDTH, HEIGHT = 560, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 12, 14, 34
_MARKS_Y, _MARKS_X = 4, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value at a point in time (Unix seconds), and its tooltip; a bar ends at ``until``."""

    at: float
    value: float
    text: Message
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Marks of one kind; ``style`` is a class of the style sheet: ``first`` or ``second``.

    ``name`` is needed only in a chart of several series.
    """

    name: Message | None = None
    style: str
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The content of a chart; ``scale`` returns its ticks, ``empty`` is shown if it has no marks.

    ``limit`` draws a line at a value that must not be exceeded.
    """

    name: str
    title: Message
    description: Message
    empty: Message
    start: float
    end: float
    series: Sequence[Series]
    scale: Scale
    limit: Mark | None = None


def draw_chart(chart: Chart, language: Language) -> str:
    """Return the chart as an SVG element, its texts in a language."""
    marks = [mark for series in chart.series for mark in series.marks]
    title = f'<title id="{chart.name}-title">{_write(chart.title, language)}</title>'
    description = chart.description if marks else chart.empty
    title += f'<desc id="{chart.name}-desc">{_write(description, language)}</desc>'
    body = _draw_plot(chart, marks, language) if marks else _draw_empty(chart.empty, language)
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'aria-labelledby="{chart.name}-title {chart.name}-desc">{title}{body}</svg>'
    )


def _write(text: str, language: Language) -> str:
    """Return a text in a language, escaped."""
    return escape(translate(text, language))


def _draw_empty(text: Message, language: Language) -> str:
    return (
        f'<rect class="ground" x="0" y="0" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text class="empty" x="{WIDTH // 2}" y="{HEIGHT // 2}">{_write(text, language)}</text>'
    )


def _draw_plot(chart: Chart, marks: Sequence[Mark], language: Language) -> str:
    most = max(mark.value for mark in marks)
    if chart.limit is not None and chart.limit.value <= 2 * most:
        most = max(most, chart.limit.value)
    ticks = chart.scale(most, _MARKS_Y)
    axes = _Axes(chart.start, max(chart.end, chart.start + 1), max(ticks[-1].value, most) or 1.0)
    parts = [_draw_amounts(ticks, axes, language), _draw_times(chart, axes, language)]
    if chart.limit is not None and chart.limit.value <= axes.most:
        parts.append(_draw_limit(chart.limit, axes, language))
    parts += [_draw_series(series, axes, language) for series in chart.series]
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


def _draw_amounts(ticks: Sequence[Tick], axes: _Axes, language: Language) -> str:
    return "".join(
        f'<line class="{"axis" if tick.value == 0 else "grid"}" x1="{_LEFT}" '
        f'x2="{WIDTH - _RIGHT}" y1="{axes.y(tick.value)}" y2="{axes.y(tick.value)}"/>'
        f'<text class="amount" x="{_LEFT - 8}" y="{axes.y(tick.value) + 4}">'
        f"{_write(tick.text, language)}</text>"
        for tick in ticks
    )


def _draw_times(chart: Chart, axes: _Axes, language: Language) -> str:
    parts = []
    for number, tick in enumerate(mark_times(chart.start, axes.end, _MARKS_X)):
        x = axes.x(tick.value)
        if not _LEFT + 4 <= x <= WIDTH - _RIGHT - 14:
            continue  # its label would leave the picture, or overlap the amounts
        kind = "time" if number % 2 == 0 else "time minor"
        parts.append(
            f'<line class="axis" x1="{x}" x2="{x}" y1="{axes.y(0)}" y2="{axes.y(0) + 4}"/>'
            f'<text class="{kind}" x="{x}" y="{HEIGHT - 12}">{_write(tick.text, language)}</text>'
        )
    return "".join(parts)


def _draw_limit(limit: Mark, axes: _Axes, language: Language) -> str:
    y = axes.y(limit.value)
    return (
        f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text class="limit-text" x="{WIDTH - _RIGHT}" y="{y - 5}">'
        f"{_write(limit.text, language)}</text>"
    )


def _draw_series(series: Series, axes: _Axes, language: Language) -> str:
    draw = "".join(
        _draw_dot(mark, axes, language)
        if mark.until is None
        else _draw_bar(mark, mark.until, axes, language)
        for mark in series.marks
    )
    return f'<g class="{escape(series.style)}">{draw}</g>'


def _draw_dot(mark: Mark, axes: _Axes, language: Language) -> str:
    return (
        f'<circle cx="{axes.x(mark.at)}" cy="{axes.y(mark.value)}" r="3">'
        f"<title>{_write(mark.text, language)}</title></circle>"
    )


def _draw_bar(mark: Mark, until: float, axes: _Axes, language: Language) -> str:
    left, right, top = axes.x(mark.at), axes.x(until), axes.y(mark.value)
    width = max(right - left - 2, 1)  # a gap of two between bars
    height = round(axes.y(0) - top, 1)
    return (
        f'<rect x="{left + 1:.1f}" y="{top}" width="{width:.1f}" height="{height}" rx="1.5">'
        f"<title>{_write(mark.text, language)}</title></rect>"
    )
