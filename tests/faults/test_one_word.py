"""What one node said, or refused to say, is not remembered: the other nodes go on at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.bent_nodes import Bend, BentNode, Refused, bent_node, fork
from support.fixtures import MakeSite
from support.nodes import ask, nonce, stop_the_clock
from support.projects import Site

from anchor.base.errors import CannotCheckError, NodeFaultError
from anchor.chain.devnet import Devnet
from anchor.chain.node import Node
from anchor.operate.single_run import RunState
from anchor.project.nodes import open_chain

FALSE_HASH = "0x" + "f0" * 32
BLOCK = "eth_getBlockByNumber"
FAR = 1_000_000


@dataclass
class Scene:
    """A project with one of these bent nodes as its node, the others as witnesses."""

    site: Site
    nodes: list[BentNode]
    reports: list[str] = field(default_factory=list)
    pieces: int = 0

    @property
    def first(self) -> BentNode:
        return self.nodes[0]

    def open(self) -> Node:
        with self.site.lead() as project:
            return open_chain(project.config, self.reports.append)

    def goes_on(self, chain: Node) -> None:
        """Add a piece, and check that one round of the open process anchors it."""
        self.pieces += 1
        self.site.add(f"{self.pieces}.txt", bytes([self.pieces]))
        before = nonce(self.site.url)
        done = self.site.round(chain, report=self.reports.append)
        assert done.state in (RunState.INCLUDED, RunState.FINAL)
        assert nonce(self.site.url) == before + 1
        assert self.site.head_on_chain() == self.site.heads()[-1][1]


def open_scene(stack: ExitStack, new_site: MakeSite, anvil: Devnet, count: int) -> Scene:
    site = new_site(anvil)
    stop_the_clock(site.url)
    ask(site.url, "anvil_mine", "0x10")
    nodes = [stack.enter_context(bent_node(site.url)) for _ in range(count)]
    witnesses = json.dumps([node.url for node in nodes[1:]])
    site.edit(f'rpc = "{site.url}"', f'rpc = "{nodes[0].url}"\nwitnesses = {witnesses}')
    return Scene(site, nodes)


@pytest.fixture
def trio(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield open_scene(stack, new_site, own_anvil, 3)


@pytest.fixture
def single(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield open_scene(stack, new_site, own_anvil, 1)


def refuse(params: list[Any], right: Any) -> Any:
    raise Refused(-32601, "the method does not exist")


def ration(params: list[Any], right: Any) -> Any:
    raise Refused(-32005, "rate limit exceeded")


def garble(params: list[Any], right: Any) -> Any:
    return "-0x1"


def changed(tag: str, **members: str) -> Bend:
    return lambda params, right: right | members if params[0] == tag else right


def forged(tag: str, **members: str) -> Bend:
    """Return another block with a header of its own, which hashes to the hash that is given."""
    return lambda params, right: fork(right, **members) if params[0] == tag else right


def forge_both(params: list[Any], right: Any) -> Any:
    number = {"latest": FAR + 2, "finalized": FAR}.get(params[0])
    return right if number is None else fork(right, number=hex(number))


MANNERS: list[Bend] = [refuse, ration, garble]
METHODS = [
    "eth_chainId",
    "eth_syncing",
    BLOCK,
    "eth_getCode",
    "eth_getStorageAt",
    "eth_getBalance",
    "eth_getTransactionCount",
    "eth_estimateGas",
    "eth_call",
    "eth_maxPriorityFeePerGas",
    "eth_sendRawTransaction",
    "eth_getTransactionReceipt",
    "eth_getProof",
]


@pytest.mark.fault(
    "E10",
    how="of three nodes, the one that is read refuses, garbles, rations or drops one method, "
    "after it was selected",
    then="each run goes on at the next node, and later with the first again",
)
@pytest.mark.parametrize("method", METHODS)
def test_a_node_that_fails_after_it_was_selected_stops_no_run(trio: Scene, method: str) -> None:
    chain = trio.open()
    for manner in MANNERS:
        trio.first.bend = {method: manner}
        trio.goes_on(chain)
        trio.goes_on(trio.open())
    trio.first.bend = {}
    trio.first.swallow.add(method)
    trio.goes_on(chain)
    trio.first.swallow.clear()
    trio.goes_on(chain)
    chain.select_primary()
    assert chain.name == trio.first.url


def test_a_node_that_keeps_failing_is_reported_once(trio: Scene) -> None:
    chain = trio.open()
    trio.first.bend = {"eth_getStorageAt": refuse}
    for _ in range(3):
        trio.goes_on(chain)
    told = [line for line in trio.reports if "left out" in line or "reading from" in line]
    assert len(told) == 2, told
    assert trio.first.url in told[0]
    assert trio.nodes[1].url in told[1]
    trio.first.bend = {}
    trio.goes_on(chain)
    trio.goes_on(chain)
    told = [line for line in trio.reports if "used again" in line or "reading from" in line][-2:]
    assert all(trio.first.url in line for line in told), told


LIES: dict[str, Bend] = {
    "a newest number far ahead": changed("latest", number=hex(FAR)),
    "a newest block of its own, far ahead": forged("latest", number=hex(FAR)),
    "a final number far ahead": changed("finalized", number=hex(FAR)),
    "a final block of its own, far ahead": forged("finalized", number=hex(FAR)),
    "both of its own, far ahead": forge_both,
    "another hash of the final block": changed("finalized", hash=FALSE_HASH),
    "another hash of the newest block": changed("latest", hash=FALSE_HASH),
}


@pytest.mark.fault(
    "E10",
    how="one of three nodes, or the only one, names a false newest or final block for a while",
    then="the same process goes on as soon as the node is honest again",
)
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("place", [0, 2])
def test_a_false_block_of_one_of_three_is_not_remembered(trio: Scene, place: int, lie: str) -> None:
    chain = trio.open()
    trio.goes_on(chain)
    liar = trio.nodes[place]
    liar.bend = {BLOCK: LIES[lie]}
    for _ in range(2):
        look(chain)
    liar.bend = {}
    trio.goes_on(chain)
    check_final(trio, chain)


@pytest.mark.fault(
    "E10",
    how="the only node names a false newest or final block for a while",
    then="the same process goes on as soon as the node is honest again, without an alarm",
)
@pytest.mark.parametrize("lie", LIES)
def test_a_false_block_of_the_only_node_is_not_remembered(single: Scene, lie: str) -> None:
    chain = single.open()
    single.goes_on(chain)
    chain.fetch_final_block("finalized")
    single.first.bend = {BLOCK: LIES[lie]}
    for _ in range(2):
        look(chain)
    single.first.bend = {}
    single.goes_on(chain)
    check_final(single, chain)


def look(chain: Node) -> None:
    """Read as the daemon does between two rounds; a lie may make that impossible."""
    for read in (chain.select_primary, lambda: chain.fetch_final_block("finalized")):
        try:
            read()
        except CannotCheckError:
            pass  # never an alarm that finality was violated


def check_final(scene: Scene, chain: Node) -> None:
    right = ask(scene.site.url, BLOCK, "finalized", False)
    assert chain.fetch_final_block("finalized").number == int(right["number"], 16)


def test_a_final_block_that_its_header_disproves_is_a_fault_of_the_node(single: Scene) -> None:
    chain = single.open()
    for lie in (changed("finalized", number=hex(FAR)), changed("finalized", hash=FALSE_HASH)):
        single.first.bend = {BLOCK: lie}
        with pytest.raises(NodeFaultError, match="does not have the block's hash"):
            chain.fetch_final_block("finalized")


def test_two_of_three_name_the_final_block_whatever_the_third_calls_its_hash(trio: Scene) -> None:
    chain = trio.open()
    trio.first.bend = {BLOCK: changed("finalized", hash=FALSE_HASH)}
    check_final(trio, chain)
    assert any(trio.first.url in line and "left out" in line for line in trio.reports)


@pytest.mark.fault(
    "B6",
    how="the only node takes the transaction and answers with another hash, or with nonsense",
    then="included in the same run, sent once",
)
@pytest.mark.parametrize("answer", [FALSE_HASH, None, 7])
def test_a_wrong_answer_to_a_sent_transaction_ends_no_run(single: Scene, answer: Any) -> None:
    single.first.bend = {"eth_sendRawTransaction": lambda params, right: answer}
    single.goes_on(single.open())


def test_the_first_nodes_refusal_of_a_transaction_that_the_others_took_ends_no_run(
    trio: Scene,
) -> None:
    trio.first.bend = {"eth_sendRawTransaction": refuse}
    trio.goes_on(trio.open())


def test_another_node_is_asked_if_one_that_agreed_on_the_final_block_fails(trio: Scene) -> None:
    chain = trio.open()
    final = chain.fetch_final_block("finalized")
    older = ask(trio.site.url, BLOCK, hex(final.number - 1), False)
    trio.nodes[2].bend = {BLOCK: lambda params, right: older if params[0] == "finalized" else right}
    trio.nodes[1].bend = {"eth_getCode": refuse}
    with trio.site.lead() as project:
        config = project.config
    chain = trio.open()
    final = chain.fetch_final_block("finalized")
    code_hash = chain.read_with_quorum(
        lambda node: node.fetch_code_hash(config.registry, final.hash)
    )
    assert code_hash == config.code_hash
