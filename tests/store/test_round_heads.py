"""A busy log is anchored at round sizes, and no leaf waits longer than it may."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.store_contents import load_pieces
from support.troubles import Effects

from anchor.base.system.clock import format_unix_time, parse_time
from anchor.operate import acceptance, single_run
from anchor.operate.daemon import Pace
from anchor.operate.head_size import LEAST

EVERY = 15
PIECES = 135
PACE = Pace(seconds=60.0, leaves=100_000)


def trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemorySite:
    chain = MemoryChain(recover=read_sender, interval=12)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    for module in (acceptance, single_run):
        monkeypatch.setattr(module, "utc_now", lambda: format_unix_time(chain.time))
    return site


def read_times(site: MemorySite) -> tuple[dict[int, float], list[float]]:
    """Return when each head was sealed, by size, and when each leaf was accepted, by index."""
    with site.open().database.read() as connection:
        heads = connection.exec_driver_sql("SELECT size, sealed_at FROM heads ORDER BY size").all()
        sealed = [piece for piece in load_pieces(connection) if piece.leaf_index is not None]
    assert [piece.leaf_index for piece in sealed] == list(range(len(sealed)))
    times = [parse_time(piece.accepted_at) for piece in sealed]
    return {size: parse_time(at) for size, at in heads}, times


def read_waits(site: MemorySite) -> list[float]:
    """Return for each leaf in the log how long it waited to be sealed."""
    heads, accepted = read_times(site)
    return [
        next(sealed for size, sealed in heads.items() if size > index) - at
        for index, at in enumerate(accepted)
    ]


def feed(site: MemorySite, seconds: int) -> dict[float, partial[None]]:
    """Return what accepts evidence steadily for so long."""
    return {
        float(at): partial(site.add, *(f"{at} {number}" for number in range(PIECES)))
        for at in range(EVERY, seconds, EVERY)
    }


def test_a_busy_log_has_round_heads_and_every_leaf_is_sealed_in_time(site: MemorySite) -> None:
    site.serve(Effects(), 700, PACE, feed(site, 540))
    sizes = [head.size for head in site.heads()]
    total = len(range(EVERY, 540, EVERY)) * PIECES
    assert sizes[-1] == total
    waits = read_waits(site)
    assert len(waits) == total
    # The daemon looks once a second.
    assert max(waits) <= PACE.seconds + 1
    # The first round follows an idle time, the second one round only; the last come when the load
    # has ended.
    steady = sizes[2:-2]
    assert len(steady) > 4
    assert min(map(trailing_zeros, steady)) >= 3
    assert min(later - earlier for earlier, later in pairwise(steady)) >= 400


def test_a_burst_into_an_idle_log_is_sealed_whole(site: MemorySite) -> None:
    bursts = {
        at: partial(site.add, *(f"{at} {number}" for number in range(611))) for at in (50.0, 250.0)
    }
    site.serve(Effects(), 320, PACE, bursts)
    assert [head.size for head in site.heads()] == [611, 1_222]
    assert max(read_waits(site)) <= 1


def test_a_burst_into_a_log_with_little_to_seal_is_sealed_whole(site: MemorySite) -> None:
    events = {
        10.0: partial(site.add, "one"),
        40.0: partial(site.add, "two"),
        95.0: partial(site.add, *(f"burst {number}" for number in range(611))),
    }
    site.serve(Effects(), 200, PACE, events)
    assert [head.size for head in site.heads()] == [1, 613]


def test_a_daemon_whose_rounds_take_longer_than_the_pace_holds_nothing_back(
    site: MemorySite,
) -> None:
    """What waits for the next round then would wait too long."""
    site.serve(Effects(), 250, Pace(seconds=5.0, leaves=100_000), feed(site, 200))
    heads, accepted = read_times(site)
    sizes = list(heads)
    assert sizes[-1] == len(accepted) == len(range(EVERY, 200, EVERY)) * PIECES
    busy = [later for earlier, later in pairwise(sizes) if later - earlier > LEAST]
    assert len(busy) > 3
    for size in busy[:-1]:
        assert accepted[size] >= heads[size]


def test_once_the_wait_is_over_for_a_leaf_that_was_held_back_it_is_sealed(
    site: MemorySite,
) -> None:
    site.serve(Effects(), 320, PACE, feed(site, 200))
    sizes = [head.size for head in site.heads()]
    assert sizes[-1] == len(range(EVERY, 200, EVERY)) * PIECES
    assert max(read_waits(site)) <= PACE.seconds + 1
