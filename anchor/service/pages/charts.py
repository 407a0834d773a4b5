"""The dashboard's charts: throughput, latency to finality, gas and what an anchor costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

from anchor.monitor.overview import Throughput
from anchor.monitor.timeline import AnchorLine
from anchor.service.pages.axis_ticks import Tick, mark_amounts, mark_durations
from anchor.service.pages.svg_chart import Chart, Mark, Scale, Series
from anchor.units import (
    format_count,
    format_duration,
    format_gas_price,
    format_wei,
)

_GWEI = 10**9
_ETHER = 10**18
# A range of less than this would make one anchor look like a trend.
_SHORTEST = 3_600.0


def chart_throughput(throughput: Throughput) -> Chart:
    """Draw how many leaves were sealed in each span of time."""
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


def chart_latency(anchors: Sequence[AnchorLine], now: float) -> Chart:
    """Draw how long each anchor took from the seal to its block, and until it was final."""
    final = [item for item in anchors if item.to_final is not None]
    return _chart(
        anchors,
        now,
        name="latency",
        title="From seal to block, and to finality",
        description=_describe_latency(anchors),
        series=[
            Series(
                name="final",
                style="first",
                marks=[
                    Mark(
                        at=item.sealed_at,
                        value=item.to_final or 0.0,
                        text=f"anchor {item.sequence}: final after "
                        f"{format_duration(item.to_final or 0.0)}",
                    )
                    for item in final
                ],
            ),
            Series(
                name="included",
                style="second",
                marks=[
                    Mark(
                        at=item.sealed_at,
                        value=item.to_included,
                        text=f"anchor {item.sequence}: included after "
                        f"{format_duration(item.to_included)}",
                    )
                    for item in anchors
                ],
            ),
        ],
        scale=mark_durations,
    )


def chart_gas(anchors: Sequence[AnchorLine], now: float) -> Chart:
    """Draw how much gas each anchor used."""
    marks = [
        Mark(
            at=item.included_at,
            value=item.gas_used,
            text=f"anchor {item.sequence}: {item.gas_used:,} gas",
        )
        for item in anchors
        if item.gas_used is not None
    ]
    middle = f"Half of them used {median(m.value for m in marks):,.0f} or less." if marks else ""
    return _chart(
        anchors,
        now,
        name="gas",
        title="Gas used by an anchor",
        description=f"{format_count(len(marks), 'anchor', 'anchors')}. {middle}",
        series=[Series(name="gas", style="first", marks=marks)],
        scale=mark_amounts,
    )


def chart_price(anchors: Sequence[AnchorLine], now: float, cap: int) -> Chart:
    """Draw what a gas cost each anchor, and the cap (wei)."""
    marks = [
        Mark(
            at=item.included_at,
            value=item.gas_price / _GWEI,
            text=f"anchor {item.sequence}: {format_gas_price(item.gas_price)} a gas, "
            f"{format_wei(item.wei or 0)} in all",
        )
        for item in anchors
        if item.gas_price is not None
    ]
    middle = f"Half of them paid {median(m.value for m in marks):,.4g} or less." if marks else ""
    return _chart(
        anchors,
        now,
        name="price",
        title="Price of a gas, in gwei",
        description=f"{format_count(len(marks), 'anchor', 'anchors')}. {middle} The most that may "
        f"be paid is {format_gas_price(cap)}.",
        series=[Series(name="price", style="first", marks=marks)],
        scale=mark_amounts,
        limit=Mark(at=now, value=cap / _GWEI, text=f"cap {format_gas_price(cap)}"),
    )


def _chart(
    anchors: Sequence[AnchorLine],
    now: float,
    *,
    name: str,
    title: str,
    description: str,
    series: Sequence[Series],
    scale: Scale,
    limit: Mark | None = None,
) -> Chart:
    first = min((item.sealed_at for item in anchors), default=now)
    return Chart(
        name=name,
        title=title,
        description=description,
        empty="No anchor of ours yet",
        start=min(first, now - _SHORTEST),
        end=now,
        series=series,
        scale=scale,
        limit=limit,
    )


def _describe_latency(anchors: Sequence[AnchorLine]) -> str:
    included = [item.to_included for item in anchors]
    final = [item.to_final for item in anchors if item.to_final is not None]
    parts = [f"{format_count(len(anchors), 'anchor', 'anchors')}."]
    if included:
        parts.append(f"Half of them were in a block after {format_duration(median(included))}.")
    if final:
        parts.append(
            f"Half of those that are final were so after {format_duration(median(final))}."
        )
    return " ".join(parts)


def _mark_counts(most: float, count: int) -> list[Tick]:
    return mark_amounts(max(most, count), count)  # no halves of a leaf


def _spell(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d %b %H:%M UTC")
