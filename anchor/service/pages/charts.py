"""The dashboard's charts: throughput, latency to finality, gas and the price of an anchor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from anchor.messages.message import Message
from anchor.monitor.overview import Throughput
from anchor.monitor.timeline import AnchorLine
from anchor.service.pages.svg_chart import Chart, Mark, Series
from anchor.service.pages.ticks import Tick, format_day, format_hour, mark_amounts, mark_durations
from anchor.units import GWEI, format_duration, format_gas_price, format_leaves, format_wei

# With a shorter range one anchor would look like a trend.
_SHORTEST = 3_600.0
_NO_ANCHOR = Message("chart-anchors-empty")


def chart_throughput(throughput: Throughput) -> Chart:
    """Draw the number of leaves sealed in each span of time."""
    width = throughput.width
    marks = [
        Mark(
            at=throughput.start + number * width,
            until=throughput.start + (number + 1) * width,
            value=count,
            text=Message(
                "chart-leaves-sealed",
                leaves=format_leaves(count),
                period=format_duration(width),
                start=_format_time(throughput.start + number * width),
            ),
        )
        for number, count in enumerate(throughput.counts)
        if count
    ]
    return Chart(
        name="throughput",
        title=Message("chart-throughput-title", period=format_duration(width)),
        description=Message(
            "chart-throughput-described",
            total=format_leaves(sum(throughput.counts)),
            start=_format_time(throughput.start),
            most=format_leaves(max(throughput.counts, default=0)),
            period=format_duration(width),
        ),
        empty=Message("chart-throughput-empty"),
        start=throughput.start,
        end=throughput.start + len(throughput.counts) * width,
        series=[Series(style="first", marks=marks)],
        scale=_mark_counts,
    )


def chart_latency(anchors: Sequence[AnchorLine], end: float) -> Chart:
    """Draw the time of each anchor from the seal to its block, and until it was final."""
    final = (
        (
            anchor.sealed_at,
            anchor.to_final,
            Message(
                "chart-anchor-final",
                sequence=anchor.sequence,
                duration=format_duration(anchor.to_final),
            ),
        )
        for anchor in anchors
        if anchor.to_final is not None
    )
    included = (
        (
            anchor.sealed_at,
            anchor.to_included,
            Message(
                "chart-anchor-included",
                sequence=anchor.sequence,
                duration=format_duration(anchor.to_included),
            ),
        )
        for anchor in anchors
    )
    return Chart(
        name="latency",
        title=Message("chart-latency-title"),
        description=_describe_latency(anchors),
        empty=_NO_ANCHOR,
        start=_start(anchors, end),
        end=end,
        series=[
            _dot("first", final, Message("chart-series-final")),
            _dot("second", included, Message("chart-series-included")),
        ],
        scale=mark_durations,
    )


def chart_gas(anchors: Sequence[AnchorLine], end: float) -> Chart:
    """Draw the gas used by each anchor."""
    points = (
        (
            anchor.included_at,
            anchor.gas_used,
            Message("chart-anchor-gas", sequence=anchor.sequence, gas=anchor.gas_used),
        )
        for anchor in anchors
        if anchor.gas_used is not None
    )
    gas = _dot("first", points)
    return Chart(
        name="gas",
        title=Message("chart-gas-title"),
        description=_describe_gas(gas),
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
            Message(
                "chart-anchor-paid",
                sequence=anchor.sequence,
                gas_price=format_gas_price(anchor.gas_price),
                total=format_wei(anchor.wei or 0),
            ),
        )
        for anchor in anchors
        if anchor.gas_price is not None
    )
    price = _dot("first", points)
    return Chart(
        name="price",
        title=Message("chart-price-title"),
        description=_describe_price(price, cap),
        empty=_NO_ANCHOR,
        start=_start(anchors, end),
        end=end,
        series=[price],
        scale=mark_amounts,
        limit=Mark(
            at=end, value=cap / GWEI, text=Message("chart-price-limit", limit=format_gas_price(cap))
        ),
    )


def _start(anchors: Sequence[AnchorLine], end: float) -> float:
    return min([end - _SHORTEST, *(anchor.sealed_at for anchor in anchors)])


def _dot(
    style: str, points: Iterable[tuple[float, float, Message]], name: Message | None = None
) -> Series:
    """Return a series with a dot for each time, value and text."""
    marks = [Mark(at=at, value=value, text=text) for at, value, text in points]
    return Series(name=name, style=style, marks=marks)


def _describe_latency(anchors: Sequence[AnchorLine]) -> Message:
    if not anchors:
        return _NO_ANCHOR
    included = format_duration(median(anchor.to_included for anchor in anchors))
    final = [anchor.to_final for anchor in anchors if anchor.to_final is not None]
    if not final:
        return Message("chart-latency-described", count=len(anchors), included=included)
    return Message(
        "chart-latency-final-described",
        count=len(anchors),
        included=included,
        final=format_duration(median(final)),
    )


def _describe_gas(series: Series) -> Message:
    values = [mark.value for mark in series.marks]
    if not values:
        return _NO_ANCHOR
    return Message("chart-gas-described", count=len(values), amount=median(values))


def _describe_price(series: Series, cap: int) -> Message:
    values = [mark.value for mark in series.marks]
    if not values:
        return _NO_ANCHOR
    return Message(
        "chart-price-described",
        count=len(values),
        amount=median(values),
        limit=format_gas_price(cap),
    )


def _mark_counts(most: float, count: int) -> list[Tick]:
    return mark_amounts(max(most, count), count)  # no fractions of a leaf


def _format_time(moment: float) -> Message:
    return Message("chart-time", day=format_day(moment), hour=format_hour(moment))
