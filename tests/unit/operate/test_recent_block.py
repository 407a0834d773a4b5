"""The block that new records name: read once, shared for ten minutes, and never an old one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from support.memory_chain import MemoryChain
from support.memory_projects import MemorySite, make_template

from anchor.base.errors import CannotCheckError, ChainGuardError, NodeUnreachableError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import ChainId
from anchor.chain.node import Node
from anchor.evidence.not_before import NotBefore
from anchor.operate.recent_block import SHARED_SECONDS, RecentBlock, name_no_block
from anchor.project.config import NotBeforeRule
from anchor.project.project import OpenProject

NOW = 1_800_000_000


@dataclass
class Bench:
    """A project on a chain in memory, of which each read is counted, and a clock."""

    project: OpenProject
    chain: MemoryChain
    now: float = NOW
    opened: int = 0
    is_down: bool = False
    said: list[str] = field(default_factory=list)

    def block(self, rule: NotBeforeRule = True) -> RecentBlock:
        def open_node(config: object, report: Callable[[Message], None]) -> Node:
            self.opened += 1
            if self.is_down:
                raise NodeUnreachableError("the node does not answer")
            return Node(self.chain)

        return RecentBlock(
            self.project, rule, self.said.append, open_node=open_node, wall=lambda: self.now
        )

    @property
    def file(self) -> Path:
        return self.project.config.file.with_name("recent-block.json")

    def final(self) -> NotBefore:
        block = self.chain.final
        return NotBefore(
            chain_id=self.chain.chain_id, block_number=block.number, block_hash=block.hash
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    chain = MemoryChain(lag=3)
    site = MemorySite.copy(make_template(tmp_path / "template"), tmp_path / "project", chain)
    chain.mine(10)
    project = site.open()
    yield Bench(project, chain)
    project.database.close()


def test_it_is_the_final_block_and_not_the_newest(bench: Bench) -> None:
    assert bench.block().name() == bench.final()
    assert bench.final().block_number == bench.chain.head.number - 3


def test_it_is_shared_by_processes_for_ten_minutes_and_then_read_again(bench: Bench) -> None:
    first = bench.block().name()
    bench.chain.mine(5)
    for seconds in (0, 1, SHARED_SECONDS - 1):
        bench.now = NOW + seconds
        assert bench.block().name() == first
    assert bench.opened == 1
    bench.now = NOW + SHARED_SECONDS
    assert bench.block().name() == bench.final() != first
    assert bench.opened == 2


def test_one_that_was_read_later_than_now_is_not_used(bench: Bench) -> None:
    """The clock was set back since: how old the block is, nobody knows."""
    first = bench.block().name()
    bench.chain.mine(5)
    bench.now = NOW - 1
    assert bench.block().name() == bench.final() != first


@pytest.mark.parametrize(
    "change",
    [
        {"format": "anchor-recent-block/2"},
        {"read_at": True},
        {"read_at": "1800000000"},
        {"block": None},
        {"block": {"chain_id": 31337, "block_number": 1}},
        {"block": {"chain_id": 1, "block_number": 1, "block_hash": "0x" + "11" * 32}},
    ],
)
def test_a_file_that_says_something_else_is_as_none(bench: Bench, change: dict[str, Any]) -> None:
    bench.block().name()
    bench.file.write_text(json.dumps(json.loads(bench.file.read_text()) | change))
    assert bench.block().name() == bench.final()
    assert bench.opened == 2


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff", b"x" * 5_000])
def test_a_damaged_file_is_as_none(bench: Bench, data: bytes) -> None:
    bench.file.write_bytes(data)
    assert bench.block().name() == bench.final()


def test_without_the_rule_no_node_is_asked_and_no_file_written(bench: Bench) -> None:
    assert bench.block(False).name() is None
    assert name_no_block() is None
    assert bench.opened == 0
    assert not bench.file.exists()


def test_a_node_that_is_down_is_one_sentence(bench: Bench) -> None:
    bench.is_down = True
    with pytest.raises(CannotCheckError, match="the final block that the records are to name"):
        bench.block().name()
    assert not bench.file.exists()


def test_a_chain_without_a_final_block_is_the_same(bench: Bench) -> None:
    bench.chain.has_finality = False
    with pytest.raises(CannotCheckError, match="the final block that the records are to name"):
        bench.block().name()


def test_if_available_records_go_without_and_the_user_is_told_once(bench: Bench) -> None:
    bench.is_down = True
    block = bench.block("if-available")
    assert [block.name() for _ in range(5)] == [None] * 5
    assert len(bench.said) == bench.opened == 1
    assert "without the block that limits their age" in bench.said[0]
    bench.is_down = False
    bench.now += SHARED_SECONDS
    assert block.name() == bench.final()


def test_a_node_on_another_chain_is_refused(bench: Bench) -> None:
    bench.chain.chain_id = ChainId(5)
    with pytest.raises(ChainGuardError):
        bench.block().name()
    assert bench.block("if-available").name() is None


def test_a_chain_that_cannot_prove_it_is_refused_before_any_node_is_asked(bench: Bench) -> None:
    config = replace(bench.project.config, chain_id=ChainId(42161))
    bench.project = replace(bench.project, config=config)
    with pytest.raises(UsageError, match="42161"):
        bench.block().name()
    assert bench.opened == 0
