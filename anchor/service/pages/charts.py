"""The dashboard's charts: throughput, latency to finality, gas and what an anchor costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

from anchor.monitor.overview import Throughput
from anchor.monitor.timeline import AnchorLine
from anchor.service.pages.svg_chart import (
    Chart,
    Mark,
    Scale,
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


def chart_latency(anchors: Sequence[AnchorLine], end: float) -> Chart:
    """Draw how long each anchor took from the seal to its block, and until it was final."""
    final = [anchor for anchor in anchors if anchor.to_final is not None]
    return _chart(
        anchors,
        end,
        name="latency",
        title="From seal to block, and to finality",
        description=_describe_latency(anchors),
        series=[
            Series(
                name="final",
                style="first",
                marks=[
                    Mark(
                        at=anchor.sealed_at,
                        value=anchor.to_final or 0.0,
                        text=f"anchor {anchor.sequence}: final after "
                        f"{format_duration(anchor.to_final or 0.0)}",
                    )
                    for anchor in final
                ],
            ),
            Series(
                name="included",
                style="second",
                marks=[
                    Mark(
                        at=anchor.sealed_at,
                        value=anchor.to_included,
                        text=f"anchor {anchor.sequence}: included after "
                        f"{format_duration(anchor.to_included)}",
                    )
                    for anchor in anchors
                ],
            ),
        ],
        scale=mark_durations,
    )


def chart_gas(anchors: Sequence[AnchorLine], end: float) -> Chart:
    """Draw how much gas each anchor used."""
    marks = [
        Mark(
            at=anchor.included_at,
            value=anchor.gas_used,
            text=f"anchor {anchor.sequence}: {anchor.gas_used:,} gas",
        )
        for anchor in anchors
        if anchor.gas_used is not None
    ]
    middle = f"Half of them used {median(m.value for m in marks):,.0f} or less." if marks else ""
    return _chart(
        anchors,
        end,
        name="gas",
        title="Gas used by an anchor",
        description=f"{format_count(len(marks), 'anchor', 'anchors')}. {middle}",
        series=[Series(name="gas", style="first", marks=marks)],
        scale=mark_amounts,
    )


def chart_price(anchors: Sequence[AnchorLine], end: float, cap: int) -> Chart:
    """Draw what a gas cost each anchor, and the cap (wei)."""
    marks = [
        Mark(
            at=anchor.included_at,
            value=anchor.gas_price / GWEI,
            text=f"anchor {anchor.sequence}: {format_gas_price(anchor.gas_price)} a gas, "
            f"{format_wei(anchor.wei or 0)} in all",
        )
        for anchor in anchors
        if anchor.gas_price is not None
    ]
    middle = f"Half of them paid {median(m.value for m in marks):,.4g} or less." if marks else ""
    return _chart(
        anchors,
        end,
        name="price",
        title="Price of a gas, in gwei",
        description=f"{format_count(len(marks), 'anchor', 'anchors')}. {middle} The most that may "
        f"be paid is {format_gas_price(cap)}.",
        series=[Series(name="price", style="first", marks=marks)],
        scale=mark_amounts,
        limit=Mark(at=end, value=cap / GWEI, text=f"cap {format_gas_price(cap)}"),
    )


def _chart(
    anchors: Sequence[AnchorLine],
    end: float,
    *,
    name: str,
    title: str,
    description: str,
    series: Sequence[Series],
    scale: Scale,
    limit: Mark | None = None,
) -> Chart:
    first = min((anchor.sealed_at for anchor in anchors), default=end)
    return Chart(
        name=name,
        title=title,
        description=description,
        empty="No anchor of ours yet",
        start=min(first, end - _SHORTEST),
        end=end,
        series=series,
        scale=scale,
        limit=limit,
    )


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
    return mark_amounts(max(most, count), count)  # no halves of a leaf


def _spell(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d %b %H:%M UTC")
