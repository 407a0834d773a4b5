"""The blocks that records name: which can be proven, and when a kept proof still holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.beacons import make_world, name_block
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template

from anchor.base.errors import NodeUnreachableError
from anchor.base.types import Block, ChainId, Hash32
from anchor.chain.node import Node
from anchor.ethereum.header import Header
from anchor.operate.beacons import Beacons
from anchor.project.config import Config


@dataclass
class Bench:
    config: Config
    chain: MemoryChain
    said: list[str] = field(default_factory=list)

    def beacons(self) -> Beacons:
        return Beacons(self.config, Node(self.chain), self.said.append)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    chain = MemoryChain()
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    chain.mine(5)
    yield Bench(site.config, chain)


def header_of(number: int, digest: Hash32) -> Header:
    return Header(
        hash=digest, number=number, timestamp=0, state_root=Hash32(bytes(32)), unknown_items=0
    )


def record_naming(chain_id: int) -> bytes:
    return make_world(name_block(b"a header", chain_id=chain_id)).records[0]


def test_a_block_of_this_chain_can_be_proven_and_no_other(bench: Bench) -> None:
    assert bench.beacons().find_provable(record_naming(31337)) is not None
    assert bench.beacons().find_provable(record_naming(1)) is None
    assert bench.beacons().find_provable(make_world(None).records[0]) is None
    assert bench.beacons().find_provable(b"not a record") is None


def test_on_a_chain_without_a_history_none_can(bench: Bench) -> None:
    bench.config = replace(bench.config, chain_id=ChainId(42161))
    assert bench.beacons().find_provable(record_naming(42161)) is None


def test_a_kept_proofs_block_has_to_be_the_nodes(bench: Bench) -> None:
    block = bench.chain.blocks[3]
    assert bench.beacons().is_on_chain(header_of(3, block.hash))
    assert not bench.beacons().is_on_chain(header_of(3, bench.chain.blocks[4].hash))
    assert not bench.beacons().is_on_chain(header_of(300, block.hash))


def test_nodes_that_do_not_answer_show_nothing_about_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NodeUnreachableError("the node does not answer")

    monkeypatch.setattr(Node, "fetch_block", fail)
    assert bench.beacons().is_on_chain(header_of(3, Hash32(bytes(32))))


def test_nodes_without_proofs_are_told_once_and_leave_receipts_without(bench: Bench) -> None:
    beacons = bench.beacons()
    earlier, head = bench.chain.blocks[2], bench.chain.head
    record = make_world(
        {"chain_id": 31337, "block_number": 2, "block_hash": f"0x{earlier.hash.hex()}"}
    ).records[0]
    named = beacons.find_provable(record)
    assert named is not None
    block = Block(number=head.number, hash=head.hash, timestamp=head.timestamp)
    assert beacons.fetch([named], block) == beacons.fetch([named], block) == {}
    assert len(bench.said) == 1
    assert "the blocks that records name are not proven" in bench.said[0]
