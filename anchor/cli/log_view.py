"""The live view of a log, which `anchor log` draws with rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from anchor.cli.console import escape_controls
from anchor.ethereum.keccak import format_address
from anchor.monitor.alarms import Alarm, Severity
from anchor.monitor.chain_status import ExternalStatus
from anchor.monitor.overview import Overview
from anchor.monitor.timeline import HeadState
from anchor.project.config import Config
from anchor.types import log_number, log_owner
from anchor.units import (
    format_age,
    format_count,
    format_duration,
    format_gas_price,
    format_timestamp,
    format_wei,
)

_ANCHORS = 8
_MARKS = {
    HeadState.SEALED: ("○", "yellow"),
    HeadState.SUBMITTED: ("◌", "yellow"),
    HeadState.INCLUDED: ("◐", "yellow"),
    HeadState.COVERED: ("◐", "yellow"),
    HeadState.ANCHORED: ("●", "green"),
    HeadState.COVERED_FINALLY: ("●", "green"),
}


def draw_overview(
    config: Config, overview: Overview, outside: ExternalStatus, alarms: Sequence[Alarm]
) -> RenderableType:
    """Return the complete view for rich."""
    parts: list[RenderableType] = [_draw_title(config, overview)]
    parts += [_draw_alarm(alarm) for alarm in alarms] or [Text("✓ no alarms", "green")]
    parts += [
        _draw_facts(config, overview, outside),
        _draw_heads(overview),
        _draw_anchors(overview),
    ]
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def _draw_title(config: Config, overview: Overview) -> Text:
    location = f"registry {format_address(config.registry)} on chain {config.chain_id}"
    title = Text.assemble(
        ("anchor log", "bold"),
        f"  number {log_number(config.log)} of {format_address(log_owner(config.log))}\n",
        (f"{location}, at {format_timestamp(overview.read_at)}", "dim"),
    )
    title.overflow = "fold"
    return title


def _draw_alarm(alarm: Alarm) -> Text:
    colour = "red" if alarm.severity is Severity.CRITICAL else "yellow"
    return Text.assemble(
        (f"▲ {alarm.severity.value}: ", f"bold {colour}"),
        escape_controls(alarm.text),
        (f"\n  {alarm.hint}", "dim"),
    )


def _draw_facts(config: Config, overview: Overview, outside: ExternalStatus) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in _facts(config, overview, outside):
        table.add_row(name, Text(escape_controls(text)))
    return table


def _facts(config: Config, overview: Overview, outside: ExternalStatus) -> list[tuple[str, str]]:
    queue = overview.queue
    more = " or more" if queue.is_cut else ""
    waits = f"{queue.waiting:,}{more}"
    if queue.oldest_at is not None:
        waits += f", the first since {format_duration(overview.read_at - queue.oldest_at)}"
    rows = [
        ("running", "yes" if overview.is_running else "no: nothing is sealed or sent"),
        ("waiting", waits),
        ("last hour", format_count(queue.accepted_last_hour, "piece", "pieces") + " accepted"),
    ]
    transaction = overview.transaction
    if transaction is not None:
        price = "" if transaction.max_fee is None else format_gas_price(transaction.max_fee)
        signed = format_count(transaction.attempts, "attempt", "attempts")
        rows.append(("on its way", f"nonce {transaction.nonce}, {signed} up to {price or '-'}"))
    sighting = outside.chain
    facts = sighting.value
    if outside.published is not None:
        size = outside.published.value
        rows.append(("published", "not known" if size is None else f"{size:,} leaves"))
    if facts is None:
        return [*rows, ("chain", "not known")]
    age = (
        ""
        if sighting.seen_at is None
        else f", seen {format_age(overview.read_at, sighting.seen_at)}"
    )
    final = "not known" if facts.final_block is None else f"{facts.final_block:,}"
    rows.append(("chain", f"block {facts.block:,}, final {final}{age}"))
    if facts.balance is not None:
        days = overview.spending.days_left(facts.balance)
        lasts = "" if days is None else f", lasts {format_duration(days * 86_400)} at this rate"
        rows.append(("balance", f"{format_wei(facts.balance)}{lasts}"))
    if config.budget is not None:
        spent = overview.spending.budget_spent
        rows.append(("budget", f"{format_wei(spent)} of {format_wei(config.budget)} spent"))
    return rows


def _draw_heads(overview: Overview) -> RenderableType:
    if not overview.heads:
        return Text("No head is sealed yet.", "dim")
    table = _table("heads: leaves", "added", "root", "sealed", "state", right=2)
    for line in overview.heads:
        mark, colour = _MARKS[line.state]
        table.add_row(
            f"{line.head.size:,}",
            f"{line.added:,}",
            line.head.root.hex()[:16] + "…",
            format_age(overview.read_at, line.sealed_at),
            Text.assemble((f"{mark} ", colour), line.state.value),
        )
    return table


def _draw_anchors(overview: Overview) -> RenderableType:
    if not overview.anchors:
        return Text("Nothing is anchored yet.", "dim")
    table = _table("anchor", "leaves", "block", "included after", "final after", "cost", right=6)
    for line in overview.anchors[:_ANCHORS]:
        final = "not known" if line.final else "not yet"
        table.add_row(
            f"{line.sequence:,}",
            f"{line.head.size:,}",
            f"{line.block_number:,}",
            format_duration(line.to_included),
            final if line.to_final is None else format_duration(line.to_final),
            "not known" if line.wei is None else format_wei(line.wei),
        )
    return table


def _table(*names: str, right: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column, name in enumerate(names):
        table.add_column(name, justify="right" if column < right else "left", no_wrap=True)
    return table
