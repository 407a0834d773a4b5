"""Runs of pieces: appended, joined, rewritten, and read across their borders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.stores import NOW, make_item

from anchor.store import runs as module
from anchor.store.columns import MOST_PIECES, NewEvidence, Run
from anchor.store.database import Database, create_database
from anchor.store.erasures import blank
from anchor.store.evidence import count_with_record, find_first_since, measure_waiting
from anchor.store.evidence_insertion import insert_evidence, replace_pieces
from anchor.store.location import StoreLocation
from anchor.store.runs import (
    add_up,
    find_end,
    find_run,
    load_leaves,
    load_pieces,
    load_runs,
)
from anchor.store.schema import runs
from anchor.store.sealing import seal

# Sizes of commits that leave whole, small and joined runs.
COMMITS = (1, 1_500, *[1] * 20, 30, *[3] * 9, 200)
ITEMS = [make_item(number) for number in range(1, sum(COMMITS) + 1)]


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    """A store with a piece for each of ``ITEMS``, committed as in ``COMMITS``."""
    created = create_database(location)
    start = 0
    for count in COMMITS:
        with created.write() as connection:
            assert insert_evidence(connection, ITEMS[start : start + count]) == count
        start += count
    with created.hold_lease():
        yield created
    created.close()


def test_pieces_have_the_numbers_of_their_acceptance_without_a_gap(store: Database) -> None:
    with store.read() as connection:
        found = list(load_runs(connection))
        assert find_end(connection) == len(ITEMS)
    end = 0
    for run in found:
        assert run.first == end
        assert run.pieces <= MOST_PIECES
        end = run.end
    assert [NewEvidence(*_list(run, at)) for run in found for at in range(run.pieces)] == ITEMS


def _list(run: Run, at: int) -> tuple[object, ...]:
    row = run.row(at)
    return tuple(getattr(row, name) for name in NewEvidence._fields)


def test_small_neighbours_are_joined(store: Database) -> None:
    with store.read() as connection:
        sizes = [run.pieces for run in load_runs(connection)]
    assert sum(size < 8 for size in sizes) < 2 * 8
    assert len(sizes) < len(COMMITS)


@pytest.mark.parametrize(
    ("start", "end"), [(0, 0), (0, 1), (0, 1_025), (5, 1_030), (1_020, 1_501), (1_500, 1_760)]
)
def test_leaves_are_read_across_borders(store: Database, start: int, end: int) -> None:
    with store.read() as connection:
        assert load_leaves(connection, start, end) == b"".join(
            item.leaf for item in ITEMS[start:end]
        )
        within = [
            run.first + at
            for run in load_runs(connection, start, end)
            for at in range(run.pieces)
            if start <= run.first + at < end
        ]
    assert within == list(range(start, min(end, len(ITEMS))))


def test_runs_are_read_backwards(store: Database) -> None:
    with store.read() as connection:
        forwards = [run.first for run in load_runs(connection, 7, 1_600)]
        backwards = [run.first for run in load_runs(connection, 7, 1_600, newest_first=True)]
    assert backwards == forwards[::-1]


def test_a_lost_run_is_a_gap(store: Database) -> None:
    with store.read() as connection:
        lost = [run.first for run in load_runs(connection)][1]
    with store.write() as connection:
        connection.execute(runs.delete().where(runs.c.first == lost))
    with store.read() as connection:
        assert find_run(connection, lost) is None
        assert find_run(connection, lost - 1) is not None
        assert len(load_leaves(connection, 0, len(ITEMS))) < 32 * len(ITEMS)
        assert lost not in [index for index, _, _ in load_pieces(connection, range(2_000))]


@pytest.mark.parametrize(("start", "end"), [(0, 10), (3, 1_500), (1_000, 1_750), (9, 9)])
def test_sums_count_the_parts_of_runs_at_both_ends(store: Database, start: int, end: int) -> None:
    with store.read() as connection:
        total = add_up(
            connection, runs.c.record_bytes, lambda run, at: len(run.record(at) or b""), start, end
        )
    assert total == sum(len(item.record) for item in ITEMS[start:end])


def test_what_waits_is_measured_from_the_newest_head(store: Database) -> None:
    seal(store, NOW, most=1_234)
    with store.read() as connection:
        waiting = sum(len(item.record) for item in ITEMS[1_234:])
        assert measure_waiting(connection) == waiting
        assert count_with_record(connection, 1_234) == 1_234


def test_a_piece_is_rewritten_in_its_place(store: Database) -> None:
    changed = [3, 1_100, len(ITEMS) - 1]
    with store.write() as connection:
        replace_pieces(connection, [(at, blank(ITEMS[at].leaf, NOW)) for at in changed])
    with store.read() as connection:
        found = list(load_runs(connection))
        assert sum(run.erased for run in found) == len(changed)
        assert count_with_record(connection, len(ITEMS)) == len(ITEMS) - len(changed)
        kept = [
            run.identity(at) for run in found for at in range(run.pieces) if not run.is_erased(at)
        ]
    assert kept == [item.identity for index, item in enumerate(ITEMS) if index not in changed]


def test_the_first_piece_since_a_moment_is_found(store: Database) -> None:
    later = make_item(9_999)._replace(accepted_at="2026-02-01T00:00:00.000Z")
    with store.write() as connection:
        insert_evidence(connection, [later])
    with store.read() as connection:
        end = len(ITEMS) + 1
        assert find_first_since(connection, "2025-01-01T00:00:00.000Z", 0, end) == 0
        assert find_first_since(connection, "2026-01-15T00:00:00.000Z", 0, end) == len(ITEMS)
        assert find_first_since(connection, "2027-01-01T00:00:00.000Z", 0, end) == end


def test_many_runs_are_read_in_pages(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.read() as connection:
        all_at_once = [run.first for run in load_runs(connection)]
        monkeypatch.setattr(module, "_BATCH", 1)
        assert [run.first for run in load_runs(connection)] == all_at_once
