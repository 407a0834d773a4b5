"""``anchor serve`` told to stop at random instants, while its workers are killed and replaced."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from support.fixtures import MakeSite
from support.nodes import wait_until
from support.projects import Site
from support.stopping import is_running, start, strike, wait_for_code, workers_of

from anchor.chain.devnet import Devnet

BOUND = 30.0
SERVE = ("serve", "--port", "0", "--workers", "2", "--drain", "3", "--quiet")
_LANES = 6


@dataclass(frozen=True)
class Stop:
    """How one service ended: its code, how long that took, which workers were left.

    ``strikes`` counts the signals that its workers got before.
    """

    code: int | None
    seconds: float
    left: tuple[int, ...]
    strikes: int
    shown: str


def stop_one(site: Site, log: Path, seed: int) -> Stop:
    """Start a service, kill its workers for a random time, and tell it to stop."""
    random = Random(seed)
    with start(site.folder, SERVE, log) as process:
        wait_for_code(process)
        if random.random() < 0.4:
            wait_until(lambda: workers_of(process.pid), 60)
        seen, strikes = strike(process.pid, random, random.choice((0.0, 2.0, 6.0)))
        told = time.monotonic()
        process.send_signal(random.choice((signal.SIGTERM, signal.SIGTERM, signal.SIGINT)))
        while process.poll() is None and time.monotonic() - told < 2 * BOUND:
            seen |= set(workers_of(process.pid))
            time.sleep(0.02)
        seconds = time.monotonic() - told
        process.kill()
    time.sleep(0.1)
    left = tuple(worker for worker in seen if is_running(worker))
    return Stop(
        code=process.returncode,
        seconds=seconds,
        left=left,
        strikes=strikes,
        shown=log.read_text(),
    )


@pytest.mark.release
@pytest.mark.fault(
    "A18",
    how="a service is told to stop at random instants while its workers are killed or stopped",
    then="it ends with 0 within 30 seconds, and no worker is left",
)
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("rounds", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_a_service_ends_whenever_it_is_told_to(
    new_site: MakeSite, embedded: Devnet, tmp_path: Path, rounds: int
) -> None:
    site = new_site(embedded)
    with ThreadPoolExecutor(_LANES) as pool:
        stops = list(
            pool.map(lambda seed: stop_one(site, tmp_path / f"{seed}.log", seed), range(rounds))
        )
    times = sorted(stop.seconds for stop in stops)
    strikes = sum(stop.strikes for stop in stops)
    print(
        f"{rounds} stops after {strikes} signals to workers: "
        f"median {times[rounds // 2]:.2f} s, longest {times[-1]:.2f} s"
    )
    for seed, stop in enumerate(stops):
        assert (stop.code, stop.left) == (0, ()), (seed, stop)
        assert stop.seconds < BOUND, (seed, stop)
        assert "Traceback" not in stop.shown, (seed, stop)
