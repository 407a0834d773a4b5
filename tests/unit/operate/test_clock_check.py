"""When this machine's clock is certainly wrong, and when only one node says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.grown_logs import grow_log
from support.memory_projects import MemorySite

from anchor.operate.clock_check import (
    FRESH,
    TOLERANCE,
    ChainTime,
    chain_time_path,
    has_jumped,
    is_in_step,
    judge_clock,
    load_chain_time,
    save_chain_time,
)

NOW = 1_800_000_000
# A chain as it should be: final a quarter of an hour ago, its newest block some seconds.
SEEN = ChainTime(
    seen_at=NOW, number=100, newest=NOW - 5, final=NOW - 900, in_step=True, is_certain=True
)
DAY = 86_400


def test_a_clock_that_agrees_with_the_chain_is_right() -> None:
    assert judge_clock(NOW, SEEN, NOW - 950, elapsed=0.0) is None
    assert judge_clock(NOW, None, None) is None


@pytest.mark.parametrize("elapsed", [0.0, None], ids=["this process", "another one"])
@pytest.mark.parametrize("off", [-20 * 365 * DAY, -DAY, 3_600, 400 * DAY])
def test_a_clock_that_is_far_off_is_found_by_what_was_seen(off: int, elapsed: float | None) -> None:
    seen = replace(SEEN, seen_at=NOW + off)
    fault = judge_clock(NOW + off, seen, None, elapsed=elapsed)
    assert fault is not None
    assert fault.is_certain
    assert (fault.seconds > 0) == (off > 0)
    assert abs(abs(fault.seconds) - abs(off)) <= 900
    one = judge_clock(NOW + off, replace(seen, is_certain=False), None, elapsed=elapsed)
    assert one is not None
    # One node's word on one block stops nothing; that a steady chain is behind is more than that.
    assert one.is_certain == (off > 0)


def test_a_final_anchor_in_the_store_is_certain_evidence_without_any_node() -> None:
    assert judge_clock(NOW - TOLERANCE, None, NOW) is None
    fault = judge_clock(NOW - TOLERANCE - 1, None, NOW)
    assert fault is not None
    assert fault.is_certain
    assert "behind the chain's time" in fault.describe()


def test_a_chain_that_stands_still_makes_no_clock_look_ahead() -> None:
    still = replace(SEEN, in_step=False, newest=NOW - 40 * DAY, final=NOW - 41 * DAY)
    assert judge_clock(NOW, still, NOW - 41 * DAY, elapsed=0.0) is None


def test_what_was_seen_long_ago_says_nothing_of_a_clock_ahead() -> None:
    # The steady clock may have stood still with the machine.
    assert judge_clock(NOW + DAY, SEEN, None, elapsed=FRESH + 1) is None
    assert judge_clock(NOW + DAY, SEEN, None) is None
    assert judge_clock(NOW + 3_600, SEEN, None, elapsed=20.0) is not None


def test_a_clock_that_was_set_right_since_counts_at_once() -> None:
    wrong = replace(SEEN, seen_at=NOW + 400 * DAY)
    assert judge_clock(NOW + 400 * DAY, wrong, None) is not None
    assert judge_clock(NOW, wrong, None) is None


@pytest.mark.parametrize(
    ("number", "newest", "elapsed", "found"),
    [
        (104, NOW + 48, 50.0, True),
        (101, NOW + 31, 50.0, True),
        (100, NOW, 50.0, False),  # it stands still
        (101, NOW + 3_600, 50.0, False),  # it leaps
        (150, NOW + 600, 50.0, False),  # it catches up
    ],
)
def test_a_chain_is_in_step_while_its_time_goes_on_as_ours(
    number: int, newest: int, elapsed: float, found: bool
) -> None:
    before = replace(SEEN, newest=NOW)
    assert is_in_step(before, number, newest, elapsed) is found
    assert not is_in_step(None, number, newest, elapsed)


def test_a_wall_clock_jumps_where_it_leaves_the_steady_one() -> None:
    assert not has_jumped(None, NOW, 0.0)
    assert not has_jumped((NOW, 10.0), NOW + 50 + TOLERANCE, 60.0)
    assert has_jumped((NOW, 10.0), NOW + 3_650, 60.0)
    assert has_jumped((NOW, 10.0), NOW - 3_550, 60.0)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> MemorySite:
    return grow_log(tmp_path_factory.mktemp("clock"), [1])


def test_what_was_seen_is_left_for_other_processes(site: MemorySite) -> None:
    save_chain_time(site.config, SEEN)
    assert load_chain_time(site.config) == SEEN
    save_chain_time(site.config, replace(SEEN, final=None))
    found = load_chain_time(site.config)
    assert found is not None
    assert found.final is None


@pytest.mark.parametrize(
    "break_it",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_text(path.read_text().replace("time/1", "time/2")),
        lambda path: path.write_text(path.read_text().replace('"newest":', '"newest":true,"x":')),
        lambda path: path.write_text("[" * 9_000),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.write_text(path.read_text().replace('"newest":', '"newest":NaN,"x":')),
        lambda path: path.write_text(path.read_text().replace('"newest":', '"newest":' + "9" * 30)),
    ],
    ids=[
        "empty",
        "torn",
        "of another release",
        "other members",
        "brackets",
        "gone",
        "a pipe",
        "a folder",
        "not a number",
        "a huge number",
    ],
)
def test_a_file_that_says_nothing_stops_nothing(
    break_it: Callable[[Path], object], site: MemorySite
) -> None:
    save_chain_time(site.config, SEEN)
    break_it(chain_time_path(site.config))
    assert load_chain_time(site.config) is None
    chain_time_path(site.config).is_dir() and chain_time_path(site.config).rmdir()
