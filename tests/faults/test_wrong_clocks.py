"""Clocks of real processes that are ahead: nothing is sealed that could never be verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.nodes import ask, wait_until
from support.projects import Site
from support.store_contents import count_waiting
from support.wrong_clock import daemon_at, run_at

from anchor.chain.devnet import Devnet
from anchor.operate.clock_check import chain_time_path, load_chain_time
from anchor.project.config import load_config

MakeSite = Callable[..., Site]
DIGEST = "sha256:" + "99" * 32


def held(events: Path) -> dict[str, object] | None:
    """Return the event by which a daemon tells that evidence is held back."""
    lines = [json.loads(line) for line in events.read_text().splitlines() if line.startswith("{")]
    return next((line for line in lines if line.get("alarm") == "held-back"), None)


@pytest.mark.fault(
    "F19",
    how="a process whose clock is a year ahead adds evidence, beside a daemon with the right one",
    then="it and what follows is not sealed, and everything says why; erased, the rest is sealed",
)
def test_what_states_a_time_a_year_ahead_is_not_sealed_and_says_why(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    before = site.add("before", b"before")
    run_at("+1y", site, "add", "--digest", DIGEST, "--name", "ahead").expect(0)
    after = site.add("after", b"after")
    with daemon_at("+0", site) as events:
        wait_until(lambda: site.anchors_on_chain() == [(1, 1)] and held(events) is not None, 60)
        told = held(events)
        assert told is not None and told["waiting"] == 2
        leaf = str(told["leaf"])
        for command in ("status", "doctor"):
            ran = site.run(command)
            assert f"leaf {leaf}" in ran.out + ran.err, ran
            assert "anchor erase --leaf" in ran.out + ran.err, ran
        assert site.run("doctor").code == 32
        site.run("log", "--once").expect(0, "critical: 2 pieces of evidence wait")
        site.run("erase", "--leaf", leaf, "--basis", "other", "--reason", "clock", "--yes").expect(
            0
        )
        wait_until(lambda: count_waiting(site) == 0, 60)
        assert held(events) == told, "told once"
    site.run("run", "--once").expect(0, "anchored (final)")
    site.run("prove", before, after).expect(0)
    site.run("verify", before, after).expect(0)
    site.run("audit").expect(0)


@pytest.mark.fault(
    "F19",
    how="all processes have a clock that is a year ahead of a steady chain, with one node",
    then="nothing is sealed from the daemon's start on; evidence is refused as soon as two blocks "
    "were seen",
)
def test_a_daemon_a_year_ahead_of_a_steady_chain_seals_nothing(
    new_site: MakeSite, own_anvil: Devnet
) -> None:
    site = new_site(own_anvil)
    ask(site.url, "evm_setIntervalMining", 1)
    run_at("+1y", site, "add", "--digest", DIGEST, "--name", "ahead").expect(0)
    run_at("+1y", site, "status").expect(0, "not known yet")
    with daemon_at("+1y", site) as events:
        wait_until(lambda: held(events) is not None, 60)

        def is_steady() -> bool:
            seen = load_chain_time(load_config(site.folder / "anchor.toml"))
            return seen is not None and seen.in_step

        wait_until(is_steady, 60)
        refused = run_at("+1y", site, "add", "--digest", "sha256:" + "88" * 32)
        refused.refused(32, "at least 365 d", "ahead of the chain's time")
    assert site.anchors_on_chain() == []
    assert count_waiting(site) == 1
    # One who looks at that file years later by its clock asks the node, and waits for a block.
    run_at("+3y", site, "add", "--digest", DIGEST, "--name", "later").refused(32, "ahead")
    site.run("seal").expect(0)
    assert count_waiting(site) == 1
    # A chain that has stopped since says nothing.
    ask(site.url, "evm_setIntervalMining", 0)
    seen = chain_time_path(load_config(site.folder / "anchor.toml"))
    members = json.loads(seen.read_text())
    latest = int(str(ask(site.url, "eth_blockNumber")), 16)
    seen.write_text(json.dumps(members | {"number": latest}))
    run_at("+3y", site, "add", "--digest", DIGEST, "--name", "later").expect(0)
