"""Parts of runs: the pieces that are left are what they were."""

from __future__ import annotations

import pytest
from support.stores import NOW, make_item

from anchor.store.columns import NewEvidence, Run, pack_run
from anchor.store.erasures import blank
from anchor.store.run_parts import leave_out

ITEMS = [
    make_item(number)._replace(sm3=bytes([number]) * 32 if number % 3 else None)
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
