"""The dashboard's charts: bars of the leaves sealed, and of the latency and gas price of anchors.

The template draws them as plain SVG, whose size and colours are the style sheet's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anchor.base.messages.message import Message
from anchor.base.units import (
    format_duration,
    format_gas_price,
    format_leaves,
    format_timestamp,
    format_wei,
)
from anchor.monitor.overview import Throughput
from anchor.monitor.timeline import AnchorLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What began at ``at`` (Unix seconds), and its tooltip.

    Each value is drawn from the ground up, in front of the one before it.
    """

    at: float
    values: tuple[int, ...]
    text: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars, the oldest first; ``name`` is an HTML id, ``write`` formats a value.

    ``keys`` names the values of a bar that has several.
    """

    name: str
    title: Message
    note: Message
    write: Callable[[int], str]
    bars: Sequence[Bar]
    keys: tuple[Message, ...] = ()

    @property
    def top(self) -> int:
        """The greatest value, which is as high as the chart; 1 if all are 0."""
        return max([1, *(value for bar in self.bars for value in bar.values)])


def make_charts(throughput: Throughput, anchors: Sequence[AnchorLine], fee_cap: int) -> list[Chart]:
    """Return the charts that have bars; ``anchors`` are the newest first, ``fee_cap`` is in wei."""
    oldest_first = anchors[::-1]
    charts = (
        _chart_throughput(throughput),
        _chart_latency(oldest_first),
        _chart_price(oldest_first, fee_cap),
    )
    return [chart for chart in charts if chart.bars]


def _chart_throughput(throughput: Throughput) -> Chart:
    period = format_duration(throughput.width)
    bars = []
    for number, count in enumerate(throughput.counts):
        at = throughput.start + number * throughput.width
        text = Message(
            "chart-leaves-sealed",
            leaves=format_leaves(count),
            period=period,
            start=format_timestamp(at),
        )
        bars.append(Bar(at=at, values=(count,), text=text))
    return Chart(
        name="throughput",
        title=Message("chart-throughput-title", period=period),
        note=Message(
            "chart-throughput-note",
            total=format_leaves(sum(throughput.counts)),
            start=format_timestamp(throughput.start),
        ),
        write=format_leaves,
        bars=bars,
    )


def _chart_latency(anchors: Sequence[AnchorLine]) -> Chart:
    return Chart(
        name="latency",
        title=Message("chart-latency-title"),
        note=Message(
            "chart-latency-note", count=len(anchors), final=sum(anchor.final for anchor in anchors)
        ),
        write=format_duration,
        bars=[
            Bar(
                at=anchor.sealed_at,
                values=(round(anchor.to_final or 0), round(anchor.to_included)),
                text=_describe_latency(anchor),
            )
            for anchor in anchors
        ],
        keys=(Message("chart-series-final"), Message("chart-series-included")),
    )


def _describe_latency(anchor: AnchorLine) -> Message:
    included = format_duration(anchor.to_included)
    if anchor.to_final is None:
        return Message("chart-anchor-included", sequence=anchor.sequence, included=included)
    return Message(
        "chart-anchor-final",
        sequence=anchor.sequence,
        included=included,
        final=format_duration(anchor.to_final),
    )


def _chart_price(anchors: Sequence[AnchorLine], fee_cap: int) -> Chart:
    return Chart(
        name="price",
        title=Message("chart-price-title"),
        note=Message("chart-price-note", limit=format_gas_price(fee_cap)),
        write=format_gas_price,
        bars=[
            Bar(
                at=anchor.sealed_at,
                values=(anchor.gas_price,),
                text=Message(
                    "chart-anchor-paid",
                    sequence=anchor.sequence,
                    gas_price=format_gas_price(anchor.gas_price),
                    total=format_wei(anchor.wei or 0),
                ),
            )
            for anchor in anchors
            if anchor.gas_price is not None
        ],
    )
