"""Waiting for finality: what was read before a pause does not count after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template
from support.memory_transactions import read_sender
from support.troubles import Effects

from anchor.base.errors import ChainGuardError
from anchor.base.types import ChainId
from anchor.operate.single_run import RunState


def test_after_each_pause_the_chain_is_compared_with_the_pins(tmp_path: Path) -> None:
    chain = MemoryChain(recover=read_sender, interval=12)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    right, wrong = chain.chain_id, ChainId(1)
    site.add("a")
    # The first questions about the chain's id come before the seal and before the first look.
    plan = {("eth_chainId", 2): lambda: setattr(chain, "chain_id", wrong)}
    with pytest.raises(ChainGuardError, match="is on chain 1"):
        site.round(Effects(dict(plan)), "final")
    assert any("waiting until it is final" in report for report in site.reports)
    chain.chain_id = right
    assert site.round(Effects(), "final").state is RunState.FINAL
