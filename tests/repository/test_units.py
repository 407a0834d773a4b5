"""When systemd starts a unit's process again: its rules, and what our units say by them."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import replace

import pytest
from support.paths import DEPLOY
from support.units import Ended, Unit, parse_seconds, read_unit

from anchor.base.errors import ExitCode

RUN, SERVE, CAPTURE = (
    read_unit(DEPLOY / f"anchor-{name}.service") for name in ("run", "serve", "capture")
)
PLAIN = Unit(
    command=("/bin/true",),
    restart="on-failure",
    restart_seconds=1.0,
    restart_steps=0,
    longest_restart_seconds=float("inf"),
    prevent=frozenset({2}),
    force=frozenset({7}),
    success=frozenset({3}),
    stop_seconds=90.0,
    limit_seconds=0.0,
    limit_burst=5,
)

# systemd.service(5), table 1: for each way to end, which settings start the process again.
ENDS = {
    "clean exit code": (Ended(0), {"always", "on-success"}),
    "a code of SuccessExitStatus": (Ended(3), {"always", "on-success"}),
    "unclean exit code": (Ended(1), {"always", "on-failure"}),
    "clean signal": (Ended(-signal.SIGTERM), {"always", "on-success"}),
    "unclean signal": (
        Ended(-signal.SIGKILL),
        {"always", "on-failure", "on-abnormal", "on-abort"},
    ),
    "time-out": (Ended(-signal.SIGKILL, timed_out=True), {"always", "on-failure", "on-abnormal"}),
    "prevented": (Ended(2), set()),
    "forced": (
        Ended(7),
        {"no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog"},
    ),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "restart",
    ["no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog"],
)
def test_a_process_is_started_again_as_the_manual_says(end: str, restart: str):
    ended, restarted = ENDS[end]
    assert replace(PLAIN, restart=restart).is_restarted(ended) == (restart in restarted)


@pytest.mark.parametrize(
    ("first", "steps", "longest", "delays"),
    [
        (1.0, 0, float("inf"), [1, 1, 1, 1]),
        (1.0, 4, float("inf"), [1, 1, 1, 1]),
        (1.0, 4, 16.0, [1, 2, 4, 8, 16, 16]),
        (20.0, 4, 16.0, [20, 16]),
        (5.0, 5, 60.0, [5, 8.2, 13.5, 22.2, 36.5, 60, 60]),
    ],
)
def test_pauses_grow_in_steps_up_to_the_longest(
    first: float, steps: int, longest: float, delays: list[float]
):
    unit = replace(
        PLAIN, restart_seconds=first, restart_steps=steps, longest_restart_seconds=longest
    )
    assert [round(unit.delay(number), 1) for number in range(len(delays))] == delays


def test_a_start_limit_gives_up_and_none_never_does():
    limited = replace(PLAIN, limit_seconds=10.0, limit_burst=3)
    failed = Ended(1)
    assert limited.next_start(failed, 1, [0.0, 1.0], 2.0) == 3.0
    assert limited.next_start(failed, 2, [0.0, 1.0, 2.0], 3.0) is None
    assert limited.next_start(failed, 2, [0.0, 1.0, 2.0], 30.0) == 31.0
    many = [float(number) for number in range(10_000)]
    assert PLAIN.next_start(failed, len(many), many, 10_000.0) == 10_001.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("5", 5.0), ("100ms", 0.1), ("1h", 3600.0), ("1min 30s", 90.0)],
)
def test_time_spans_are_read_as_systemd_writes_them(text: str, seconds: float):
    assert parse_seconds(text) == pytest.approx(seconds)
    if text != "0":
        done = subprocess.run(
            ["systemd-analyze", "timespan", text], capture_output=True, text=True, check=True
        )
        (line,) = [line for line in done.stdout.splitlines() if "μs:" in line]
        assert int(line.split()[-1]) == pytest.approx(seconds * 1e6)


@pytest.mark.parametrize("unit", [RUN, SERVE, CAPTURE], ids=["run", "serve", "capture"])
def test_a_store_away_for_a_day_never_makes_a_unit_give_up(unit: Unit):
    """A disk or a server that is away is 33, a bug 1, a kill a signal; a day is many starts."""
    starts: list[float] = [0.0]
    for code in (ExitCode.STORAGE, ExitCode.BUG, ExitCode.CANNOT_CHECK, -signal.SIGKILL):
        now = starts[-1]
        while now < starts[0] + 86_400:
            at = unit.next_start(Ended(code), len(starts) - 1, starts, now)
            assert at is not None, (code, now)
            assert 0 < at - now < 60.1
            starts.append(at)
            now = at
        starts = [0.0]


@pytest.mark.parametrize(
    ("unit", "codes"),
    [
        (
            RUN,
            {
                ExitCode.USAGE,
                ExitCode.NOT_TRUSTED,
                ExitCode.UNKNOWN_VERSION,
                ExitCode.SIGNER,
                ExitCode.CHAIN_GUARD,
            },
        ),
        (
            SERVE,
            {
                ExitCode.USAGE,
                ExitCode.NOT_TRUSTED,
                ExitCode.UNKNOWN_VERSION,
                ExitCode.CHAIN_GUARD,
            },
        ),
        (CAPTURE, {ExitCode.USAGE, ExitCode.CHAIN_GUARD}),
    ],
    ids=["run", "serve", "capture"],
)
def test_only_what_starting_again_cannot_mend_keeps_a_unit_down(unit: Unit, codes: set[ExitCode]):
    assert {code for code in ExitCode if code and not unit.is_restarted(Ended(code))} == codes
    assert not unit.is_restarted(Ended(0))


def test_the_daemon_takes_over_from_a_process_that_still_ends():
    """A lease that the last process of this unit still holds would be 32, and keep it down."""
    assert "--standby" in RUN.command
