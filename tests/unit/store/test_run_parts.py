"""Parts of runs, and runs of parts: each piece is what it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.stores import NOW, make_item

from anchor.base.digests import Digests
from anchor.evidence.record import encode_record
from anchor.log.merkle import hash_leaf
from anchor.store.columns import MOST_PIECES, NewEvidence, Row, Run, pack_run
from anchor.store.erasures import blank
from anchor.store.run_parts import cut, join_small, leave_out


def make_recorded(number: int) -> NewEvidence:
    """Return evidence whose record is not stored as such, but as columns of its members."""
    digests = Digests(sha256=bytes([number]) * 32, sm3=None, size=number)
    record = encode_record(
        digests=digests,
        name=f"reading {number}",
        media_type=None,
        salt=bytes([100 + number]) * 32,
        recorded_at=NOW,
        log=bytes(32),
    )
    return make_item(number)._replace(
        sha256=digests.sha256, sm3=None, record=record, leaf=hash_leaf(record)
    )


ITEMS = [
    make_recorded(number)
    if number % 4 == 0
    else make_item(number)._replace(sm3=bytes([number]) * 32 if number % 3 else None)
    for number in range(1, 41)
]


def list_pieces(run: Run) -> list[NewEvidence]:
    return [
        NewEvidence(*(getattr(run.row(at), name) for name in NewEvidence._fields))
        for at in range(run.pieces)
    ]


@pytest.mark.parametrize("places", [{0}, {39}, {3, 7, 20}, set(range(39)), set()])
def test_the_others_are_what_they_were(places: set[int]) -> None:
    run = pack_run(0, ITEMS)
    rest = leave_out(run, places)
    rest.check()
    left = [item for at, item in enumerate(ITEMS) if at not in places]
    assert list_pieces(rest) == left
    assert rest.record_bytes == sum(len(item.record) for item in left)


def test_nothing_is_no_run() -> None:
    with pytest.raises(ValueError, match="no piece is left"):
        leave_out(pack_run(0, ITEMS), set(range(40)))


def test_only_new_pieces_are_cut() -> None:
    run = pack_run(0, [*ITEMS, blank(ITEMS[0].leaf, NOW)])
    with pytest.raises(ValueError, match="new pieces"):
        leave_out(run, {1})


LATER = "2026-02-02T00:00:00.500Z"


@pytest.mark.parametrize("times", [(NOW, NOW), (NOW, LATER), ("then", "then"), (NOW, "then")])
@pytest.mark.parametrize(("start", "stop"), [(0, 43), (0, 1), (42, 43), (7, 30), (20, 43)])
def test_a_cut_run_has_the_pieces_of_its_places(
    times: tuple[str, str], start: int, stop: int
) -> None:
    rows: list[Row] = [
        item._replace(accepted_at=times[at % 2], source=item.source if at % 3 else f"{at}/?")
        for at, item in enumerate(ITEMS)
    ]
    rows[5:5] = [blank(ITEMS[0].leaf, times[0])]
    lost = pack_run(0, rows).row(6)
    rows += [replace(lost, record=None), replace(lost, record=None, sha256=None)]
    run = replace(pack_run(100, rows), record_bytes=0, erased=9, lost=9)
    part = cut(run, start, stop)
    part.check()
    assert part.rows() == pack_run(100, rows).rows()[start:stop]
    whole = pack_run(100 + start, rows[start:stop])
    for name in ("first", "pieces", "accepted_at", "record_bytes", "erased", "lost"):
        assert getattr(part, name) == getattr(whole, name)


@pytest.mark.parametrize(("start", "stop"), [(3, 3), (4, 3), (-1, 3), (0, 41)])
def test_a_run_is_cut_within_its_places(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="no piece is left"):
        cut(pack_run(0, ITEMS), start, stop)


def make_runs(first: int, *sizes: int) -> list[Run]:
    runs = []
    for size in sizes:
        runs.append(pack_run(first, [make_item(number) for number in range(first, first + size)]))
        first += size
    return runs


def test_small_neighbours_are_joined() -> None:
    runs = make_runs(10, 3, 63, 64, 1, 1, 1_000, 5)
    joined = list(join_small(runs))
    assert [run.pieces for run in joined] == [66, 64, 2, 1_000, 5]
    assert [run.first for run in joined] == [10, 76, 140, 142, 1_142]
    assert [row for run in joined for row in run.rows()] == [
        row for run in runs for row in run.rows()
    ]


def test_no_run_grows_beyond_the_most() -> None:
    joined = list(join_small(make_runs(0, *[63] * 17)))
    assert [run.pieces for run in joined] == [16 * 63, 63]
    assert MOST_PIECES < 17 * 63


def test_runs_on_both_sides_of_a_gap_are_not_joined() -> None:
    runs = [*make_runs(0, 3), *make_runs(4, 3)]
    assert list(join_small(runs)) == runs
