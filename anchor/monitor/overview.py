"""The overview: queue, heads, anchors with their cost and latency, and spending.

Read from the store by a few bounded queries, in one snapshot.  Times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from anchor.base.errors import AnchorError
from anchor.base.system.clock import format_time, format_unix_time, parse_time
from anchor.chain.tx_cost import BUDGET_DAYS
from anchor.monitor.timeline import (
    AnchorLine,
    HeadLine,
    load_head_lines,
    make_anchor_line,
)
from anchor.operate.clock_check import find_latest_time
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.store.deliveries import NO_DELIVERIES, DeliveryCounts, count_deliveries
from anchor.store.erasures import find_unfinished
from anchor.store.evidence import HeldBack, count_waiting, find_held_back
from anchor.store.heads import Unproven, find_unproven, newest_final_anchor
from anchor.store.incidents import Incident, load_open_incidents
from anchor.store.replication import Copies
from anchor.store.statistics import (
    Costs,
    OpenTransaction,
    count_accepted_since,
    find_head_above,
    find_oldest_waiting,
    find_open_transaction,
    load_newest_anchors,
    load_newest_heads,
    sum_costs_since,
)

HOUR = 3_600
DAY = 86_400
# The heads of a day with one every minute; then the number of a chart's bars, and their widths in
# seconds.
_MOST_HEADS = 1_500
_BARS = 48
_WIDTHS = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0)

SPENDING_DAYS = 7
"""Number of days over which spending is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The evidence that no seal has given a place in the log yet.

    ``oldest_at`` is when the oldest piece was accepted, ``held`` the first one that cannot be
    sealed because of the time that it states.
    """

    waiting: int
    oldest_at: float | None
    accepted_last_hour: int
    held: HeldBack | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Costs in wei: of the last ``SPENDING_DAYS``, per day, and of the budget's period.

    ``wei_a_day`` is None until costs of two hours can be measured.
    """

    transactions: int
    wei: int
    wei_a_day: int | None
    budget_spent: int
    budget: int | None

    def days_left(self, balance: int) -> float | None:
        """Return how many days ``balance`` lasts at that rate; None without a rate."""
        return balance / self.wei_a_day if self.wei_a_day else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """The number of leaves sealed in each interval of ``width`` seconds from ``start`` on."""

    start: float
    width: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The whole overview, at ``now``; ``heads`` and ``anchors`` are the newest, newest first.

    ``unanchored_since`` is when the first head without an anchor was sealed; ``tiles`` counts the
    leaves in the tree on disk, None if that cannot be read.  ``copies`` lists the servers that hold
    the store, None if one server is enough.  ``deliveries`` counts messages to webhooks and people;
    ``erasures`` are the unfinished ones, and when the oldest of them was ordered.
    """

    read_at: float
    queue: Queue
    newest: HeadLine | None
    final_size: int
    heads: tuple[HeadLine, ...]
    anchors: tuple[AnchorLine, ...]
    unanchored_since: float | None
    transaction: OpenTransaction | None
    spending: Spending
    incidents: tuple[Incident, ...]
    unproven: Unproven | None
    is_running: bool
    tiles: int | None
    copies: Copies | None = None
    deliveries: DeliveryCounts = NO_DELIVERIES
    erasures: tuple[int, str | None] = (0, None)


def read_overview(
    project: OpenProject, current_time: float, *, heads: int = 10, anchors: int = 200
) -> Overview:
    """Read the overview, with at most this many of the newest heads and anchors."""
    chain_id = project.config.chain_id
    is_running = project.database.is_leased()
    copies = project.database.read_copies()
    latest = find_latest_time(project, current_time)
    with project.database.read() as connection:
        lines = load_head_lines(connection, chain_id, heads)
        rows = load_newest_anchors(connection, chain_id, anchors)
        final = newest_final_anchor(connection, chain_id)
        newest = lines[0] if lines else None
        return Overview(
            read_at=current_time,
            queue=_read_queue(connection, current_time, latest),
            newest=newest,
            final_size=final.head.size if final else 0,
            heads=tuple(lines),
            anchors=tuple(map(make_anchor_line, rows)),
            unanchored_since=_find_unanchored(
                connection, rows[0].anchored.head.size if rows else 0
            ),
            transaction=find_open_transaction(connection, chain_id),
            spending=_read_spending(connection, project.config, current_time),
            incidents=tuple(load_open_incidents(connection, chain_id)),
            unproven=find_unproven(connection, chain_id),
            is_running=is_running,
            tiles=_read_tiles(project),
            copies=copies,
            deliveries=count_deliveries(connection, _day_before(current_time)),
            erasures=find_unfinished(connection),
        )


def read_throughput(project: OpenProject, current_time: float) -> Throughput:
    """Return what was sealed in the last day, or in the newest heads if there are very many."""
    with project.database.read() as connection:
        rows = load_newest_heads(connection, _MOST_HEADS)
    sealed = [(parse_time(row.sealed_at), row.added) for row in rows]
    span = float(DAY)
    if len(sealed) == _MOST_HEADS:
        span = min(span, max(current_time - sealed[-1][0], 1.0))
    width = next(each for each in _WIDTHS if each * _BARS >= span)
    end = (current_time // width + 1) * width
    counts = [0] * _BARS
    start = end - _BARS * width
    for moment, added in sealed:
        bar = int((moment - start) // width)
        if 0 <= bar < _BARS:
            counts[bar] += added
    return Throughput(start=start, width=width, counts=tuple(counts))


def _read_queue(connection: Connection, current_time: float, latest: float) -> Queue:
    oldest = find_oldest_waiting(connection)
    hour_ago = format_time(datetime.fromtimestamp(current_time - HOUR, UTC))
    return Queue(
        waiting=count_waiting(connection),
        oldest_at=None if oldest is None else parse_time(oldest),
        accepted_last_hour=count_accepted_since(connection, hour_ago),
        held=find_held_back(connection, format_unix_time(latest)),
    )


def _day_before(current_time: float) -> str:
    return format_time(datetime.fromtimestamp(current_time - DAY, UTC))


def _find_unanchored(connection: Connection, anchored: int) -> float | None:
    first = find_head_above(connection, anchored)
    return None if first is None else parse_time(first.sealed_at)


def _read_spending(connection: Connection, config: Config, current_time: float) -> Spending:
    lately = sum_costs_since(connection, config.chain_id, int(current_time) - SPENDING_DAYS * DAY)
    budget_spent = 0
    if config.budget is not None:
        since = int(current_time) - BUDGET_DAYS * DAY
        budget_spent = sum_costs_since(connection, config.chain_id, since).wei
    return Spending(
        transactions=lately.transactions,
        wei=lately.wei,
        wei_a_day=_rate(lately, current_time),
        budget_spent=budget_spent,
        budget=config.budget,
    )


def _rate(costs: Costs, current_time: float) -> int | None:
    if costs.first_included_at is None:
        return None
    seconds = current_time - costs.first_included_at
    return None if seconds < 2 * HOUR else int(costs.wei * DAY / seconds)


def _read_tiles(project: OpenProject) -> int | None:
    try:
        return project.tiles.size
    except AnchorError:
        return None
