"""Sending may wait: what was read of pins and incidents before does not count after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import ChainClock, MemorySite, make_template
from support.memory_transactions import QuickSigner, read_sender
from support.troubles import Effects, TroubledTransport

from anchor.base.errors import ChainGuardError, IncidentError
from anchor.base.types import ChainId
from anchor.chain.node import Node
from anchor.operate.single_run import RunResult, anchor_round
from anchor.store.heads import newest_final_anchor
from anchor.store.incidents import open_incident

WaitFor = Literal["included", "final"]


class HookedClock(ChainClock):
    """Calls ``hook`` once, in the first pause after bytes were sent."""

    hook: Callable[[], None] | None = None

    def sleep(self, seconds: float) -> None:
        was_sent = bool(self.chain.pool)
        super().sleep(seconds)
        if self.hook is not None and was_sent:
            hook, self.hook = self.hook, None
            hook()


@pytest.fixture
def chain() -> MemoryChain:
    return MemoryChain(recover=read_sender, interval=1, lag=1)


@pytest.fixture
def site(chain: MemoryChain, tmp_path: Path) -> MemorySite:
    return MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)


def run(site: MemorySite, wait_for: WaitFor, hook: Callable[[], None]) -> RunResult:
    project = site.open()
    clock = HookedClock(site.chain)

    def call() -> None:
        site.chain.pass_time(5)
        hook()

    clock.hook = call
    node = Node(TroubledTransport(site.chain, Effects()))
    try:
        with project.database.hold_lease():
            return anchor_round(
                project,
                node,
                lambda: QuickSigner(site.key),
                clock,
                wait_for=wait_for,
                report=site.reports.append,
            )
    finally:
        project.database.close()


@pytest.mark.parametrize("wait_for", ["included", "final"])
def test_a_node_that_turns_to_another_chain_meanwhile_stops_the_run(
    chain: MemoryChain, site: MemorySite, wait_for: WaitFor
) -> None:
    site.add("a")
    with pytest.raises(ChainGuardError):
        run(site, wait_for, lambda: setattr(chain, "chain_id", ChainId(1)))


@pytest.mark.parametrize("wait_for", ["included", "final"])
def test_an_incident_that_another_process_opens_meanwhile_stops_the_run(
    site: MemorySite, wait_for: WaitFor
) -> None:
    site.add("a")
    first = run(site, "final", lambda: None)
    assert first.anchored is not None and first.anchored.final

    def contradict() -> None:
        project = site.open()
        chain_id = site.config.chain_id
        try:
            with project.database.read() as connection:
                anchored = newest_final_anchor(connection, chain_id)
            assert anchored is not None
            # The block seen is far ahead, so that nothing this process sees withdraws it.
            with project.database.write() as connection:
                open_incident(
                    connection,
                    chain_id,
                    anchored,
                    None,
                    seen_block=10**6,
                    at="2026-01-01T00:00:00Z",
                )
        finally:
            project.database.close()

    site.add("b")
    with pytest.raises(IncidentError):
        run(site, wait_for, contradict)


def test_a_head_that_was_away_when_it_was_read_is_read_again(tmp_path: Path) -> None:
    chain = MemoryChain(recover=read_sender, interval=1, lag=40)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    chain.mine(60)
    site.add("a")
    assert not site.round(Effects()).anchored.final
    block = chain.blocks[-1]
    while not block.included:
        block = chain.blocks[block.number - 1]
    (included,) = block.included
    chain.interval = None
    chain.reorganise(len(chain.blocks) - block.number, "lost")
    site.add("b")

    def bring_back() -> None:
        chain._add_block([included.transaction])
        chain.interval = 1

    done = site.round(Effects({("seal", 0): bring_back}))
    assert done.anchored is not None and done.anchored.head.size == 2
