"""``anchor networks`` lists the chains of this release; ``anchor init --network`` holds to them."""

from __future__ import annotations

import json
from pathlib import Path

from support.command import run_anchor
from support.fixtures import Devnet

from anchor.ethereum.known_chains import CHAINS, NETWORKS
from anchor.registry.artifact import expected_code_hash


def test_all_networks_are_listed_and_one_is_described(tmp_path: Path) -> None:
    lines = run_anchor("networks", cwd=tmp_path).expect(0).out.splitlines()
    assert [line.split()[0] for line in lines] == list(NETWORKS)
    document = json.loads(run_anchor("networks", "--json", cwd=tmp_path).expect(0).out)
    assert document["format"] == "anchor-networks/1"
    assert [each["chain_id"] for each in document["networks"]] == [chain.id for chain in CHAINS]
    code = expected_code_hash(NETWORKS["gnosis"].id).hex()
    run_anchor("networks", "gnosis", cwd=tmp_path).expect(
        0, "100 (Gnosis Chain)", code, "5 s; the protocol", "https://gnosisscan.io", "untested"
    )
    run_anchor("networks", "goerli", cwd=tmp_path).refused(2, "'goerli'", "sepolia")


def test_init_refuses_a_node_of_another_network(embedded: Devnet, tmp_path: Path) -> None:
    init = ("init", "new", "--devnet", "--rpc", embedded.url, "--network")
    ran = run_anchor(*init, "sepolia", cwd=tmp_path)
    ran.refused(32, "on chain 31337 (development chain), not on chain 11155111 (Sepolia)")
    assert not (tmp_path / "new").exists()
    run_anchor(*init, "devnet", cwd=tmp_path).expect(0, "31337 (development chain)")
