"""The daemon: when it seals, what it survives, what ends it, and how it stops."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from support import fixtures
from support.chaos import loses_request, open_proxy
from support.clocks import FastClock
from support.nodes import ask, nonce, other_chain, stop_the_clock
from support.operators import Operator
from support.projects import make_site

from anchor.base.errors import ChainGuardError, ContradictedError
from anchor.base.system.clock import StoppableClock, Stopped
from anchor.chain.devnet import Devnet, open_devnet
from anchor.operate import daemon
from anchor.operate.anchor_watch import PERIOD
from anchor.operate.clock_check import load_chain_time
from anchor.project.config import load_config
from anchor.project.nodes import open_chain
from anchor.store import sqlite
from anchor.store.sqlite import SqliteBackend

_numbers = itertools.count(1)


devnet = fixtures.devnet
anvil_path = fixtures.anvil_path


@pytest.fixture
def operator(tmp_path: Path, devnet: Devnet) -> Operator:
    return Operator(make_site(tmp_path / "project", devnet, number=next(_numbers)))


def test_what_is_there_at_the_start_is_anchored_at_once(operator: Operator) -> None:
    operator.add("a")()
    operator.run(until=5)
    assert operator.sizes() == [1]
    assert operator.events() == ["anchored"]
    assert operator.happened[-1].figures["sequence"] == 1


def test_evidence_is_sealed_once_in_an_interval(operator: Operator) -> None:
    operator.clock.at = {
        10.0: operator.add("a"),
        20.0: operator.add("b"),
        50.0: operator.add("c"),
        200.0: operator.add("d"),
    }
    operator.run(until=300)
    # "a" after an idle minute is sealed at the next look, and opens the next interval.
    assert operator.sizes() == [1, 3, 4]
    assert operator.site.anchors_on_chain() == [(1, 1), (3, 2), (4, 3)]


def test_a_daemon_without_evidence_seals_and_sends_nothing(operator: Operator) -> None:
    before = nonce(operator.site.url)
    operator.run(until=500)
    assert operator.sizes() == []
    assert operator.happened == []
    assert nonce(operator.site.url) == before


def test_an_idle_daemon_looks_at_its_anchor_once_a_minute_by_few_requests(
    operator: Operator, devnet: Devnet
) -> None:
    """As docs/operating.md says: eight requests of one node for each look."""
    operator.add("a")()
    asked: list[int] = []
    with open_proxy(devnet) as (proxy, url):
        operator.clock.at = {
            60.0 * minute: lambda: asked.append(len(proxy.calls)) for minute in range(1, 9)
        }
        config = load_config(operator.site.folder / "anchor.toml")
        chain = open_chain(replace(config, rpc=url), lambda _: None)
        operator.run(until=500, chain=chain)
    each = [after - before for before, after in pairwise(asked)]
    assert min(each) >= 8, "a minute without a look"
    assert sum(each) <= 8 * (420 / PERIOD + 1)
    assert operator.sizes() == [1]


@pytest.mark.fault(
    "G2",
    how="a copy of an idle daemon's project anchors what the daemon's store does not hold",
    then="it ends within a minute, with 32, though nothing waits",
)
def test_an_idle_daemon_ends_when_its_log_goes_on_elsewhere(
    operator: Operator, tmp_path: Path
) -> None:
    operator.add("a")()
    operator.run(until=5)
    other = replace(operator.site, folder=shutil.copytree(operator.site.folder, tmp_path / "copy"))

    def anchor_elsewhere() -> None:
        other.add("b", b"b")
        other.round()

    operator.clock = FastClock({20.0: anchor_elsewhere})
    with pytest.raises(ContradictedError, match="is not in this store"):
        operator.run(until=1_000)
    assert operator.clock.now <= 20 + 60
    assert operator.site.rows("SELECT count(*) FROM heads") == [(1,)]


def test_a_node_that_is_away_from_an_idle_daemon_is_told_once_it_lasts(
    operator: Operator, devnet: Devnet
) -> None:
    operator.add("a")()
    operator.run(until=5)
    operator.happened.clear()
    operator.clock = FastClock()
    with open_proxy(devnet) as (proxy, url):

        def leave() -> None:
            proxy.on("eth_chainId", *[loses_request] * 1_000)

        operator.clock.at = {20.0: leave}
        operator.run(until=1_000, url=url)
    assert operator.events() == ["warning"]
    assert "for 5 minutes it has not been possible" in operator.happened[0].text


def test_a_clock_behind_the_chain_is_told_by_an_idle_daemon(
    tmp_path: Path, anvil_path: Path
) -> None:
    with open_devnet(anvil=anvil_path) as node:
        operator = Operator(make_site(tmp_path / "project", node, number=1))
        stop_the_clock(node.url)
        operator.add("a")()

        def leap() -> None:
            ask(node.url, "evm_increaseTime", 86_400)
            ask(node.url, "anvil_mine", "0x4")

        operator.clock.at = {20.0: leap}
        operator.run(until=200)
        (warning,) = [item for item in operator.happened if item.event == "warning"]
        assert warning.figures["alarm"] == "clock-off"
        assert "only one node says so" in warning.text
        assert load_chain_time(load_config(operator.site.folder / "anchor.toml")) is not None
        operator.add("b")()  # which stops nothing


def test_an_anchor_that_was_there_before_is_not_told_again(operator: Operator) -> None:
    operator.add("a")()
    operator.run(until=5)
    operator.happened.clear()
    operator.clock.now = 0
    operator.run(until=100)
    assert operator.happened == []


def test_many_leaves_are_sealed_before_the_interval_is_over(operator: Operator) -> None:
    operator.clock.at = {
        5.0: operator.add("a"),
        10.0: operator.add("b", "c"),
        15.0: operator.add("d"),
    }
    operator.run(until=40, leaves=3)
    assert operator.sizes() == [1, 4]


@pytest.mark.fault(
    "E11",
    how="the node is away for three rounds of the daemon",
    then="asked again after 5, 10 and 20 seconds; one anchor",
)
def test_a_node_that_is_away_is_waited_for_and_nothing_is_sealed_meanwhile(
    operator: Operator, devnet: Devnet
) -> None:
    operator.add("a")()
    with open_proxy(devnet) as (proxy, url):
        proxy.on("eth_chainId", *[loses_request] * 3)
        seen: list[list[int]] = []
        operator.clock.at = {12.0: lambda: seen.append(operator.sizes())}
        operator.run(until=60, url=url)
    assert operator.events() == ["failed"] * 3 + ["anchored"]
    assert [item.text.rpartition("again in ")[2] for item in operator.happened[:3]] == [
        "5 seconds",
        "10 seconds",
        "20 seconds",
    ]
    assert seen == [[]]
    assert operator.sizes() == [1]


def test_what_was_sealed_and_not_anchored_is_anchored_without_anything_new(
    operator: Operator, devnet: Devnet
) -> None:
    with open_proxy(devnet) as (proxy, url):

        def lose_one() -> None:
            proxy.on("eth_estimateGas", loses_request)
            operator.add("a")()

        operator.clock.at = {10.0: lose_one}
        operator.run(until=60, url=url)
    assert operator.events() == ["failed", "anchored"]
    assert operator.site.anchors_on_chain() == [(1, 1)]


def test_a_stop_ends_the_waiting_for_the_next_try(operator: Operator, devnet: Devnet) -> None:
    with open_proxy(devnet) as (proxy, url):
        proxy.on("eth_chainId", *[loses_request] * 100)
        operator.run(until=100, url=url)  # between the tries at 75 and 155
    assert set(operator.events()) == {"failed"}
    assert operator.clock.now < 102


@pytest.mark.fault(
    "E11",
    how="the node is away for half an hour",
    then="asked again every five minutes at least",
)
def test_retries_never_wait_longer_than_the_longest(operator: Operator, devnet: Devnet) -> None:
    with open_proxy(devnet) as (proxy, url):
        proxy.on("eth_chainId", *[loses_request] * 100)
        operator.run(until=2_000, url=url)
    failures = [item for item in operator.happened if item.event == "failed"]
    waits = [item.text.rpartition("again in ")[2] for item in failures]
    assert waits[:8] == [f"{number} seconds" for number in (5, 10, 20, 40, 80, 160, 300, 300)]


def test_a_success_starts_the_waiting_anew(operator: Operator, devnet: Devnet) -> None:
    operator.add("a")()
    with open_proxy(devnet) as (proxy, url):
        proxy.on("eth_chainId", loses_request, loses_request)

        def lose_one() -> None:
            proxy.on("eth_chainId", loses_request)
            operator.add("b")()

        operator.clock.at = {80.0: lose_one}  # between two looks at the chain
        operator.run(until=200, url=url)
    assert operator.events() == ["failed", "failed", "anchored", "failed", "anchored"]
    failures = [item for item in operator.happened if item.event == "failed"]
    assert failures[-1].text.endswith("again in 5 seconds")


@pytest.mark.fault(
    "E5",
    how="the daemon's node is one of another chain",
    then="exit code 32, nothing sealed",
)
def test_another_chain_ends_the_daemon(operator: Operator) -> None:
    operator.add("a")()
    with other_chain(4242) as url, pytest.raises(ChainGuardError, match="on chain 4242"):
        operator.run(until=1_000, url=url)
    assert operator.sizes() == []


@pytest.mark.fault(
    "A14",
    how="the daemon's round raises what nobody expected",
    then="it ends the daemon, and is not tried again",
)
def test_a_failure_that_is_not_expected_ends_the_daemon(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(daemon, "anchor_round", breaks)
    with pytest.raises(ZeroDivisionError):
        operator.run(until=1_000)


def test_a_stop_lets_the_transaction_on_its_way_finish(operator: Operator, devnet: Devnet) -> None:
    operator.add("a")()
    with open_proxy(devnet) as (proxy, url):
        # The node takes the bytes and is then silent about them for a while.
        proxy.on("eth_sendRawTransaction", loses_request)
        operator.run(until=1, url=url, grace=60.0)
    # The bytes were lost, and offered again 40 seconds later.
    assert operator.events() == ["anchored"]
    assert operator.clock.now > 30
    assert operator.site.anchors_on_chain() == [(1, 1)]


@pytest.mark.fault(
    "A13",
    how="the daemon is told to stop while nobody takes its transaction",
    then="it goes on for its grace only; the next one goes on with the same bytes, one anchor",
)
def test_a_stop_cuts_off_what_takes_too_long_and_the_next_run_goes_on(
    operator: Operator, devnet: Devnet
) -> None:
    operator.add("a")()
    before = nonce(operator.site.url)
    with open_proxy(devnet) as (proxy, url):
        proxy.on("eth_sendRawTransaction", *[loses_request] * 50)
        operator.run(until=1, url=url, grace=20.0)
    assert operator.events() == ["cut off"]
    assert operator.clock.now < 30
    assert nonce(operator.site.url) == before
    operator.clock = FastClock()
    operator.run(until=5)
    assert operator.events() == ["cut off", "anchored"]
    assert nonce(operator.site.url) == before + 1


def test_a_stopped_clock_counts_the_grace_from_the_first_sleep_after_the_stop() -> None:
    fast = FastClock()
    clock = StoppableClock(fast, grace=10.0)
    clock.sleep(100)
    clock.stopping.set()
    clock.sleep(9)
    clock.sleep(1)
    with pytest.raises(Stopped):
        clock.sleep(1)
    assert clock.monotonic() == 110


def test_what_another_process_saw_taken_back_is_sent_again(operator: Operator) -> None:
    """As `anchor status` does: it looks, and forgets the anchor that is not there any more."""
    operator.add("a")()
    operator.run(until=5)
    before = nonce(operator.site.url)

    def forget() -> None:
        with operator.site.open() as project, project.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM anchors")

    operator.clock = FastClock({20.0: forget})
    operator.run(until=100, seconds=30.0)
    assert operator.site.rows("SELECT head_size, final FROM anchors") == [(1, 1)]
    assert nonce(operator.site.url) == before  # it was on chain all the time: adopted


def test_a_store_that_others_keep_busy_is_waited_for(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 10)
    turn = SqliteBackend(operator.site.folder / "anchor.db").write_lock()
    operator.add("a")()
    operator.clock.at = {
        1.0: operator.add("b"),
        2.0: turn.__enter__,
        30.0: lambda: turn.__exit__(None, None, None),
    }
    operator.run(until=60, seconds=10.0)
    assert "failed" in operator.events()
    assert operator.sizes() == [1, 2]
