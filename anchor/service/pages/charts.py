"""The dashboard's charts: throughput, latency to finality, gas and the price of an anchor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median

from anchor.monitor.overview import Throughput
from anchor.monitor.timeline import AnchorLine
from anchor.service.pages.svg_chart import (
    Chart,
    Mark,
    Series,
    Tick,
    mark_amounts,
    mark_durations,
)
from anchor.units import (
    GWEI,
    format_count,
    format_duration,
    format_gas_price,
    format_wei,
)

# With a shorter range one anchor would look like a trend.
_SHORTEST = 3_600.0
_NO_ANCHOR = "No anchor of ours yet"


def chart_throughput(throughput: Throughput) -> Chart:
    """Draw the number of leaves sealed in each span of time."""
    width = throughput.width
    marks = [
        Mark(
            at=throughput.start + number * width,
            until=throughput.start + (number + 1) * width,
            value=count,
            text=f"{format_count(count, 'leaf', 'leaves')} in {format_duration(width)} from "
            f"{_spell(throughput.start + number * width)}",
        )
        for number, count in enumerate(throughput.counts)
        if count
    ]
    total = sum(throughput.counts)
    return Chart(
        name="throughput",
        title=f"Leaves sealed, every {format_duration(width)}",
        description=f"{format_count(total, 'leaf', 'leaves')} since {_spell(throughput.start)}; "
        f"{format_count(max(throughput.counts, default=0), 'leaf', 'leaves')} in the busiest "
        f"{format_duration(width)}.",
        empty="Nothing was sealed lately",
        start=throughput.start,
        end=throughput.start + len(throughput.counts) * width,
        series=[Series(name="sealed", style="first", marks=marks)],
        scale=_mark_counts,
    )


def chart_latency(anchors: Sequence[AnchorLine], end: float) -> Chart:
    """Draw the time of each anchor from the seal to its block, and until it was final."""
    final = (
        (
            anchor.sealed_at,
            anchor.to_final,
            f"anchor {anchor.sequence}: final after {format_duration(anchor.to_final)}",
        )
        for anchor in anchors
        if anchor.to_final is not None
    )
    included = (
        (
            anchor.sealed_at,
            anchor.to_included,
            f"anchor {anchor.sequence}: included after {format_duration(anchor.to_included)}",
        )
        for anchor in anchors
    )
    return Chart(
        name="latency",
        title="From seal to block, and to finality",
        description=_describe_latency(anchors),
        empty=_NO_ANCHOR,
        start=_start(anchors, end),
        end=end,
        series=[_dot("final", "first", final), _dot("included", "second", included)],
        scale=mark_durations,
    )


def chart_gas(anchors: Sequence[AnchorLine], end: float) -> Chart:
    """Draw the gas used by each anchor."""
    points = (
        (
            anchor.included_at,
            anchor.gas_used,
            f"anchor {anchor.sequence}: {anchor.gas_used:,} gas",
        )
        for anchor in anchors
        if anchor.gas_used is not None
    )
    gas = _dot("gas", "first", points)
    return Chart(
        name="gas",
        title="Gas used by an anchor",
        description=_describe_middle(gas, "used", ",.0f"),
        empty=_NO_ANCHOR,
        start=_start(anchors, end),
        end=end,
        series=[gas],
        scale=mark_amounts,
    )


def chart_price(anchors: Sequence[AnchorLine], end: float, cap: int) -> Chart:
    """Draw the gas price paid by each anchor, and the cap (wei)."""
    points = (
        (
            anchor.included_at,
            anchor.gas_price / GWEI,
            f"anchor {anchor.sequence}: {_spell_price(anchor.gas_price, anchor.wei or 0)}",
        )
        for anchor in anchors
        if anchor.gas_price is not None
    )
    price = _dot("price", "first", points)
    return Chart(
        name="price",
        title="Price of a gas, in gwei",
        description=f"{_describe_middle(price, 'paid', ',.4g')} The most that may be paid is "
        f"{format_gas_price(cap)}.",
        empty=_NO_ANCHOR,
        start=_start(anchors, end),
        end=end,
        series=[price],
        scale=mark_amounts,
        limit=Mark(at=end, value=cap / GWEI, text=f"cap {format_gas_price(cap)}"),
    )


def _start(anchors: Sequence[AnchorLine], end: float) -> float:
    return min([end - _SHORTEST, *(anchor.sealed_at for anchor in anchors)])


def _dot(name: str, style: str, points: Iterable[tuple[float, float, str]]) -> Series:
    """Return a series with a dot for each time, value and text."""
    marks = [Mark(at=at, value=value, text=text) for at, value, text in points]
    return Series(name=name, style=style, marks=marks)


def _describe_middle(series: Series, verb: str, spelling: str) -> str:
    """Return a description of the series: the number of anchors and the median."""
    text = f"{format_count(len(series.marks), 'anchor', 'anchors')}. "
    if series.marks:
        middle = median(mark.value for mark in series.marks)
        text += f"Half of them {verb} {middle:{spelling}} or less."
    return text


def _describe_latency(anchors: Sequence[AnchorLine]) -> str:
    included = [anchor.to_included for anchor in anchors]
    final = [anchor.to_final for anchor in anchors if anchor.to_final is not None]
    parts = [f"{format_count(len(anchors), 'anchor', 'anchors')}."]
    if included:
        parts.append(f"Half of them were in a block after {format_duration(median(included))}.")
    if final:
        parts.append(
            f"Half of those that are final were so after {format_duration(median(final))}."
        )
    return " ".join(parts)


def _mark_counts(most: float, count: int) -> list[Tick]:
    return mark_amounts(max(most, count), count)  # no fractions of a leaf


def _spell_price(gas_price: int, wei: int) -> str:
    return f"{format_gas_price(gas_price)} a gas, {format_wei(wei)} in all"


def _spell(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d %b %H:%M UTC")
