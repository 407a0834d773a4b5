"""A project's pins: the node must be on the network that was named, and on a listed one's chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import OWNER

from anchor.base.errors import ChainGuardError
from anchor.base.types import ChainId, Hash32
from anchor.chain.node import Node
from anchor.ethereum import known_chains
from anchor.ethereum.known_chains import NETWORKS, Chain, find_chain
from anchor.project.config import Config, SignerConfig
from anchor.project.creation import plan_project
from anchor.project.fee_limits import HIGHEST_FEE_CAP, Allowance

SEPOLIA, HOODI, DEVNET = NETWORKS["sepolia"], NETWORKS["hoodi"], NETWORKS["devnet"]


def plan(folder: Path, chain: MemoryChain, network: Chain | None) -> Config:
    return plan_project(
        folder,
        Node(chain),
        url="memory",
        signer=SignerConfig(keystore=None, ape_account=None, password_file=None),
        owner=OWNER,
        number=0,
        finality="finalized",
        wait="included",
        allowance=Allowance(fee_cap=HIGHEST_FEE_CAP, budget=None),
        network=network,
    )


def test_a_node_of_another_network_is_refused_by_both_names(tmp_path: Path) -> None:
    with pytest.raises(ChainGuardError) as refused:
        plan(tmp_path, MemoryChain(chain_id=HOODI.id), SEPOLIA)
    assert "on chain 560048 (Hoodi), not on chain 11155111 (Sepolia)" in str(refused.value)
    with pytest.raises(ChainGuardError, match=r"chain 7 \(chain 7\), not on chain 31337"):
        plan(tmp_path, MemoryChain(chain_id=ChainId(7)), DEVNET)


@pytest.mark.parametrize("network", [SEPOLIA, None])
def test_a_chain_with_the_id_of_a_listed_one_is_refused(
    tmp_path: Path, network: Chain | None
) -> None:
    with pytest.raises(ChainGuardError, match="not that of Sepolia: it is another chain"):
        plan(tmp_path, MemoryChain(chain_id=SEPOLIA.id), network)


def test_the_named_network_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(tmp_path, MemoryChain(), DEVNET).time_slack == DEVNET.time_slack
    chain = MemoryChain(chain_id=SEPOLIA.id)
    genesis = Node(chain).fetch_block(0)
    assert genesis is not None
    listed = replace(SEPOLIA, genesis=Hash32(genesis.hash))
    monkeypatch.setitem(known_chains._BY_ID, SEPOLIA.id, listed)
    planned = plan(tmp_path, chain, listed)
    assert (planned.chain_id, planned.genesis) == (SEPOLIA.id, genesis.hash)
    assert find_chain(planned.chain_id).network == "sepolia"
