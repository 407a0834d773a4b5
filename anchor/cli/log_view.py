"""The live view of a log, which `anchor log` draws with rich."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from anchor.base.messages.message import Message
from anchor.base.types import log_number, log_owner
from anchor.base.units import (
    format_age,
    format_duration,
    format_gas_price,
    format_leaves,
    format_timestamp,
    format_wei,
)
from anchor.ethereum.keccak import format_address
from anchor.monitor.alarms import Alarm, Severity
from anchor.monitor.chain_status import ExternalStatus
from anchor.monitor.overview import Overview
from anchor.monitor.timeline import HeadState, head_state_message
from anchor.project.config import Config
from anchor.store.statistics import OpenTransaction

# Returns text in the reader's language, without control characters.
Say = Callable[[str], str]

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
    say: Say, config: Config, overview: Overview, outside: ExternalStatus, alarms: Sequence[Alarm]
) -> RenderableType:
    """Return the complete view for rich; ``say`` translates its words."""
    parts: list[RenderableType] = [_draw_title(say, config, overview)]
    parts += [_draw_alarm(say, alarm) for alarm in alarms] or [
        Text(say(Message("alarms-none")), "green")
    ]
    parts += [
        _draw_facts(say, _facts(config, overview, outside)),
        _draw_heads(say, config, overview),
        _draw_anchors(say, config, overview),
    ]
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def _draw_title(say: Say, config: Config, overview: Overview) -> Text:
    place = Message(
        "log-view-place",
        registry=format_address(config.registry),
        chain=config.chain_id,
        time=format_timestamp(overview.read_at),
    )
    title = Text.assemble(
        ("anchor log", "bold"),
        "  ",
        say(
            Message(
                "log-view-title",
                number=log_number(config.log),
                owner=format_address(log_owner(config.log)),
            )
        ),
        "\n",
        (say(place), "dim"),
    )
    title.overflow = "fold"
    return title


def _draw_alarm(say: Say, alarm: Alarm) -> Text:
    is_critical = alarm.severity is Severity.CRITICAL
    colour = "red" if is_critical else "yellow"
    mark = Message("alarm-critical-mark") if is_critical else Message("alarm-warning-mark")
    return Text.assemble(
        (say(mark), f"bold {colour}"), say(alarm.text), "\n  ", (say(alarm.hint), "dim")
    )


def _draw_facts(say: Say, facts: Sequence[tuple[Message, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in facts:
        table.add_row(say(name), Text(say(text)))
    return table


def _facts(
    config: Config, overview: Overview, outside: ExternalStatus
) -> list[tuple[Message, str]]:
    accepted = overview.queue.accepted_last_hour
    rows: list[tuple[Message, str]] = [
        (
            Message("log-view-running"),
            Message("daemon-running") if overview.is_running else Message("daemon-not-running"),
        ),
        (Message("log-view-waiting"), _describe_queue(overview)),
        (
            Message("queue-last-hour"),
            Message("queue-accepted-one")
            if accepted == 1
            else Message("queue-accepted", count=accepted),
        ),
    ]
    if overview.transaction is not None:
        rows.append((Message("tx-on-its-way"), _describe_transaction(overview.transaction)))
    if outside.published is not None:
        size = outside.published.value
        published = Message("value-unknown") if size is None else format_leaves(size)
        rows.append((Message("log-view-published"), published))
    sighting = outside.chain
    facts = sighting.value
    if facts is None:
        return [*rows, (Message("log-view-chain"), Message("value-unknown"))]
    final = Message("value-unknown") if facts.final_block is None else f"{facts.final_block:,}"
    position = (
        Message("chain-position", block=facts.block, final=final)
        if config.final_after is None
        else Message("chain-position-by-depth", block=facts.block, final=final)
    )
    if sighting.seen_at is not None:
        age = format_age(overview.read_at, sighting.seen_at)
        position = Message("chain-position-seen", position=position, age=age)
    rows.append((Message("log-view-chain"), position))
    if facts.balance is not None:
        balance: str = format_wei(facts.balance)
        days = overview.spending.days_left(facts.balance)
        if days is not None:
            lasts = format_duration(days * 86_400)
            balance = Message("balance-lasts", balance=balance, duration=lasts)
        rows.append((Message("log-view-balance"), balance))
    if config.budget is not None:
        spent = format_wei(overview.spending.budget_spent)
        rows.append(
            (
                Message("log-view-budget"),
                Message("budget-spent", spent=spent, budget=format_wei(config.budget)),
            )
        )
    return rows


def _describe_queue(overview: Overview) -> str:
    queue = overview.queue
    count = f"{queue.waiting:,}"
    if queue.oldest_at is None:
        return count
    duration = format_duration(overview.read_at - queue.oldest_at)
    return Message("queue-oldest-age", count=count, duration=duration)


def _describe_transaction(transaction: OpenTransaction) -> Message:
    count, max_fee = transaction.attempts, transaction.max_fee
    return Message(
        "tx-attempts",
        nonce=transaction.nonce,
        attempts=Message("tx-attempt-count-one")
        if count == 1
        else Message("tx-attempt-count", count=count),
        price="-" if max_fee is None else format_gas_price(max_fee),
    )


def _draw_heads(say: Say, config: Config, overview: Overview) -> RenderableType:
    if not overview.heads:
        return Text(say(Message("heads-none")), "dim")
    columns = (
        Message("heads-column-leaves"),
        Message("heads-column-added"),
        Message("heads-column-root"),
        Message("heads-column-sealed"),
        Message("heads-column-state"),
    )
    table = _table(say, columns, right=2)
    for line in overview.heads:
        mark, colour = _MARKS[line.state]
        state = head_state_message(line.state, is_by_depth=config.final_after is not None)
        table.add_row(
            f"{line.head.size:,}",
            f"{line.added:,}",
            line.head.root.hex()[:16] + "…",
            say(format_age(overview.read_at, line.sealed_at)),
            Text.assemble((f"{mark} ", colour), say(state)),
        )
    return table


def _draw_anchors(say: Say, config: Config, overview: Overview) -> RenderableType:
    if not overview.anchors:
        return Text(say(Message("anchors-none")), "dim")
    columns = (
        Message("anchors-column-sequence"),
        Message("anchors-column-leaves"),
        Message("anchors-column-block"),
        Message("anchors-column-included-after"),
        Message("anchors-column-final-after")
        if config.final_after is None
        else Message("anchors-column-final-after-by-depth"),
        Message("anchors-column-cost"),
    )
    table = _table(say, columns, right=6)
    for line in overview.anchors[:_ANCHORS]:
        final = Message("value-unknown") if line.final else Message("anchor-not-final-yet")
        table.add_row(
            f"{line.sequence:,}",
            f"{line.head.size:,}",
            f"{line.block_number:,}",
            say(format_duration(line.to_included)),
            say(final if line.to_final is None else format_duration(line.to_final)),
            say(Message("value-unknown") if line.wei is None else format_wei(line.wei)),
        )
    return table


def _table(say: Say, columns: Sequence[Message], *, right: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for number, name in enumerate(columns):
        is_last = number == len(columns) - 1
        justify: JustifyMethod = "right" if number < right else "left"
        table.add_column(
            say(name),
            justify=justify,
            no_wrap=not is_last,
            overflow="fold" if is_last else "ellipsis",
        )
    return table
