"""The overview: what it says is what the store and the chain hold, however large they are."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event
from support import fixtures
from support.examples import examples
from support.grown_logs import grow, grow_log
from support.memory_projects import OWNER, MemorySite
from support.projects import make_site
from support.stores import Postgres, make_item
from support.troubles import Crash, Effects

from anchor.base.system.clock import format_time, parse_time, utc_now
from anchor.base.types import ChainId
from anchor.base.units import format_duration, format_wei
from anchor.chain.devnet import Devnet
from anchor.monitor.overview import HOUR, Overview, read_overview, read_throughput
from anchor.monitor.timeline import HeadState, load_head_lines
from anchor.project.project import OpenProject
from anchor.store.database import create_database
from anchor.store.evidence import count_waiting
from anchor.store.evidence_insertion import insert_rows
from anchor.store.location import StoreLocation
from anchor.store.schema import metadata, slots
from anchor.store.sealing import seal
from anchor.store.statistics import (
    count_accepted_since,
    find_oldest_waiting,
    sum_costs_since,
)

CHAIN = ChainId(1)

devnet = fixtures.devnet


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    """A log of five anchors, which no test changes."""
    return grow_log(tmp_path_factory.mktemp("grown"), [3, 1, 300, 2, 5])


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    """A log of two anchors of the test's own."""
    return grow_log(tmp_path, [2, 2])


@pytest.fixture
def open_site(site: MemorySite) -> Iterator[OpenProject]:
    project = site.open()
    yield project
    project.database.close()


def look(site: MemorySite, **options: int) -> Overview:
    project = site.open()
    try:
        return read_overview(project, time.time(), **options)
    finally:
        project.database.close()


def states(site: MemorySite) -> dict[int, HeadState]:
    return {line.head.size: line.state for line in look(site).heads}


def test_heads_are_the_newest_first_with_what_each_added(grown: MemorySite) -> None:
    overview = look(grown, heads=4)
    assert [(line.head.size, line.added) for line in overview.heads] == [
        (311, 5), (306, 2), (304, 300), (4, 1),
    ]  # fmt: skip
    assert [line.head for line in overview.heads] == grown.heads()[:0:-1]
    assert overview.newest == overview.heads[0]


def test_anchors_have_the_gas_and_the_price_of_their_blocks(grown: MemorySite) -> None:
    lines = look(grown).anchors
    blocks = {block.number: block for block in grown.chain.blocks}
    paid = []
    for line in lines:
        (item,) = [
            each for each in blocks[line.block_number].included if each.transaction.sender == OWNER
        ]
        block = blocks[line.block_number]
        fee = item.transaction
        paid.append((item.gas_used, min(fee.max_fee, block.base_fee + fee.priority_fee)))
        assert line.included_at == block.timestamp
    assert [(line.gas_used, line.gas_price) for line in lines] == paid
    assert len({price for _, price in paid}) == 5
    assert [line.covers for line in lines] == [5, 2, 300, 1, 3]
    assert [line.wei_each for line in lines] == [
        gas * price // covers for (gas, price), covers in zip(paid, [5, 2, 300, 1, 3], strict=True)
    ]
    project = grown.open()
    spending = read_overview(project, grown.chain.time).spending
    project.database.close()
    assert spending.transactions == 5
    assert spending.wei == pytest.approx(sum(gas * price for gas, price in paid))


def test_a_page_of_heads_goes_on_where_the_one_before_ended(grown: MemorySite) -> None:
    project = grown.open()
    with project.database.read() as connection:
        chain_id = project.config.chain_id
        first = load_head_lines(connection, chain_id, 2)
        second = load_head_lines(connection, chain_id, 2, below=first[-1].head.size)
        third = load_head_lines(connection, chain_id, 2, below=second[-1].head.size)
        none = load_head_lines(connection, chain_id, 2, below=third[-1].head.size)
    project.database.close()
    assert [line.head.size for line in first + second + third] == [311, 306, 304, 4, 3]
    assert {line.state for line in second + third} == {HeadState.ANCHORED}
    assert none == []


def test_a_head_goes_from_sealed_to_anchored(site: MemorySite, open_site: OpenProject) -> None:
    site.add("new")
    seal_now(open_site)
    assert states(site)[5] is HeadState.SEALED
    site.chain.interval = None  # no block takes it
    with pytest.raises(Crash):
        site.round(Effects(plan={("eth_sendRawTransaction", 0): "crash after"}))
    assert states(site)[5] is HeadState.SUBMITTED
    transaction = look(site).transaction
    assert transaction is not None
    assert (transaction.attempts, transaction.head_size) == (1, 5)
    site.chain.interval = 12
    site.round(Effects())
    assert states(site)[5] is HeadState.INCLUDED
    assert look(site).transaction is None
    site.serve(Effects(), 120)
    assert states(site)[5] is HeadState.ANCHORED


def test_a_head_below_an_anchor_is_covered_by_it(site: MemorySite, open_site: OpenProject) -> None:
    for name in ("a", "b"):
        site.add(name)
        seal_now(open_site)
    site.round(Effects())
    line = next(line for line in look(site).heads if line.head.size == 5)
    assert (line.state, line.anchor_size, line.sequence) == (HeadState.COVERED, 6, 3)
    site.serve(Effects(), 120)
    line = next(line for line in look(site).heads if line.head.size == 5)
    assert (line.state, line.anchor_size) == (HeadState.COVERED_FINALLY, 6)


def test_when_finality_was_seen_is_noted_once_and_goes_with_a_reorganisation(
    site: MemorySite,
) -> None:
    site.chain.stalled = True
    grow(site, 1)
    assert look(site).anchors[0].final_at is None
    before = time.time()
    site.chain.stalled = False
    site.serve(Effects(), 120)
    seen = look(site).anchors[0]
    assert seen.final
    assert seen.final_at is not None
    assert before - 1 <= seen.final_at <= time.time()
    assert seen.to_final is not None
    assert seen.to_final >= 0
    site.serve(Effects(), 60)
    assert look(site).anchors[0].final_at == seen.final_at


def test_what_waits_is_counted_with_the_time_of_the_first(site: MemorySite) -> None:
    assert look(site).queue.waiting == 0
    assert look(site).queue.oldest_at is None
    before = time.time()
    site.add("one")
    between = time.time()
    site.add("two", "three")
    queue = look(site).queue
    assert queue.waiting == 3
    assert queue.oldest_at is not None
    assert before - 0.01 <= queue.oldest_at <= between + 0.01
    assert queue.accepted_last_hour == 7


def test_the_first_head_without_an_anchor_is_told_and_no_later_one(
    site: MemorySite, open_site: OpenProject
) -> None:
    assert look(site).unanchored_since is None
    site.add("a")
    with open_site.database.hold_lease():
        seal(open_site.database, "2026-01-01T00:00:00.000Z")
    site.add("b")
    seal_now(open_site)
    assert look(site).unanchored_since == parse_time("2026-01-01T00:00:00.000Z")


def test_the_lease_is_seen_from_outside(site: MemorySite, open_site: OpenProject) -> None:
    assert not look(site).is_running
    with open_site.database.hold_lease():
        assert look(site).is_running
    assert not look(site).is_running


def test_an_empty_log_has_an_overview(tmp_path: Path) -> None:
    overview = look(grow_log(tmp_path, []))
    assert overview.newest is None
    assert overview.heads == overview.anchors == ()
    assert (overview.queue.waiting, overview.final_size, overview.tiles) == (0, 0, 0)
    assert overview.spending.wei_a_day is None


def test_every_query_takes_few_rows_by_an_index(grown: MemorySite) -> None:
    """What has no index would be slow with ten million rows; EXPLAIN says it with ten."""
    project = grown.open()
    asked: list[tuple[str, object]] = []

    @event.listens_for(project.database._reader, "before_cursor_execute")
    def note(_c: object, _cursor: object, text: str, values: object, *_: object) -> None:
        asked.append((text, values))

    read_overview(project, time.time())
    project.database.close()
    assert len(asked) > 10
    scans = []
    with closing(sqlite3.connect(grown.config.folder / "anchor.db")) as store:
        for text, values in asked:
            steps = [row[3] for row in store.execute(f"EXPLAIN QUERY PLAN {text}", values)]
            scans += [(step, text) for step in steps if "SCAN" in step or "TEMP B-TREE" in step]
    # The newest rows of a table in the order of its key, up to a LIMIT.
    unbounded = [
        (step, text) for step, text in scans if "LIMIT" not in text or "TEMP B-TREE" in step
    ]
    allowed = (
        "SCAN incidents",
        "SCAN erasures USING INDEX ix_erasures_unfinished",
        "SCAN CONSTANT ROW",
    )
    assert [step for step, _ in unbounded if not step.startswith(allowed)] == []


@settings(max_examples=examples(60))
@given(
    ages=st.lists(st.integers(0, 3 * HOUR), max_size=40),
    commits=st.integers(1, 5),
)
def test_what_was_accepted_since_is_what_a_count_of_all_rows_says(
    ages: list[int], commits: int
) -> None:
    now = 1_790_000_000.0
    moments = [now - age for age in sorted(ages, reverse=True)]
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        items = [
            make_item(number)._replace(accepted_at=spell(moment))
            for number, moment in enumerate(moments)
        ]
        for start in range(0, len(items), commits):
            insert_rows(connection, items[start : start + commits])
        counted = count_accepted_since(connection, spell(now - HOUR))
    engine.dispose()
    assert counted == sum(moment >= now - HOUR for moment in moments)


def test_a_store_in_postgresql_has_the_same_overview(
    postgres: Postgres, devnet: Devnet, tmp_path: Path
) -> None:
    site = make_site(tmp_path / "project", devnet, number=1, store=postgres.create())
    site.add("a", b"a")
    site.anchor()
    site.add("b", b"b")
    with site.open() as project:
        overview = read_overview(project, time.time())
        throughput = read_throughput(project, time.time())
    assert [(line.head.size, line.sequence) for line in overview.heads] == [(1, 1)]
    (line,) = overview.anchors
    assert line.wei is not None
    assert 0 < line.wei < overview.spending.wei, "the deployment cost something, too"
    assert (overview.queue.waiting, overview.queue.accepted_last_hour) == (1, 2)
    assert not overview.is_running
    assert sum(throughput.counts) == 1


def test_both_kinds_of_stores_count_alike(location: StoreLocation) -> None:
    database = create_database(location)
    with database.write() as connection:
        insert_rows(connection, [make_item(number) for number in range(30)])
    with database.read() as connection:
        assert count_waiting(connection) == 30
        assert find_oldest_waiting(connection) == make_item(0).accepted_at
        assert count_accepted_since(connection, "2025-12-31T00:00:00.000Z") == 30
        assert count_accepted_since(connection, "2026-01-01T00:00:00.001Z") == 0
        nothing = sum_costs_since(connection, CHAIN, 0)
        assert (nothing.transactions, nothing.wei, nothing.first_included_at) == (0, 0, None)
    database.close()


def test_sums_of_wei_that_no_integer_column_holds_are_added_up(location: StoreLocation) -> None:
    database = create_database(location)
    with database.write() as connection:
        for nonce in range(3):
            connection.execute(
                slots.insert().values(
                    chain_id=1,
                    sender=hashlib.sha256(b"sender").digest()[:20],
                    nonce=nonce,
                    reserved_at="2026-01-01T00:00:00.000Z",
                    outcome="included",
                    gas_used=30_000_000,
                    gas_price=500_000 * 10**9,
                    included_at=1_000 + nonce,
                )
            )
    with database.read() as connection:
        costs = sum_costs_since(connection, CHAIN, 1_000)
    database.close()
    assert (costs.transactions, costs.first_included_at) == (2, 1_001)
    assert costs.wei == 2 * 30_000_000 * 500_000 * 10**9 > 2**64


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (59.4, "59 s"), (61, "1 min 1 s"), (3_600, "1 h"), (90_000, "1 d 1 h"),
        (-5, "0 s"), (86_400 * 1_000, "1,000 d"),
    ],
)  # fmt: skip
def test_durations_are_spelled_by_their_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("wei", "text"),
    [
        (0, "0 ether"), (1, "0.000000001 gwei"), (10**12 - 1, "1,000 gwei"),
        (10**12, "0.000001 ether"), (123_456_789 * 10**9, "0.1235 ether"),
        (10**18, "1 ether"), (10_000 * 10**18, "10,000 ether"),
    ],
)  # fmt: skip
def test_amounts_are_spelled_without_exponents(wei: int, text: str) -> None:
    assert format_wei(wei) == text


def spell(moment: float) -> str:
    return format_time(datetime.fromtimestamp(moment, UTC))


def seal_now(project: OpenProject) -> None:
    with project.database.hold_lease():
        seal(project.database, utc_now())
