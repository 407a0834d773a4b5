"""Nodes that are down, lag, fork or lie: what is final is what enough of them agree on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.bent_nodes import Bend, BentNode, Refused, anvil_with, bent_node, fork
from support.chaos import ANY, asks_to_wait, open_proxy
from support.clocks import FastClock
from support.fixtures import MakeSite
from support.nodes import ask, nonce, other_chain, stop_the_clock
from support.operators import Operator
from support.projects import Site, make_site, reading

from anchor.base.errors import CannotCheckError, ChainGuardError, QuorumError
from anchor.chain.devnet import Devnet, open_devnet
from anchor.chain.node import Node
from anchor.chain.node_quorum import NodeGroup
from anchor.operate import daemon
from anchor.operate.backoff import Backoff
from anchor.operate.finality import refresh_anchors
from anchor.operate.single_run import RunResult, RunState
from anchor.project.config import WaitFor
from anchor.project.nodes import open_chain
from anchor.project.project import trust_entry
from anchor.store.sealing import seal
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import parse_policy

FALSE_HASH = "0x" + "f0" * 32


@dataclass
class Trio:
    """A project whose node and two witnesses are one anvil, seen through three bent nodes."""

    site: Site
    nodes: list[BentNode]
    reports: list[str] = field(default_factory=list)

    @property
    def rpc(self) -> BentNode:
        return self.nodes[0]

    def open(self) -> Node:
        with self.site.lead() as project:
            return open_chain(project.config, self.reports.append)

    def run(self, chain: Node, *, final: bool = False, clock: FastClock | None = None) -> RunResult:
        wait_for: WaitFor = "final" if final else "included"
        return self.site.round(chain, clock=clock, wait_for=wait_for, report=self.reports.append)

    def refresh(self, chain: Node) -> int:
        """Return how many anchors have just become final."""
        with self.site.lead() as project:
            return len(refresh_anchors(project, chain))

    def mine(self, count: int = 1) -> None:
        ask(self.site.url, "anvil_mine", hex(count))

    def told(self, *texts: str) -> bool:
        return any(all(text in line for text in texts) for line in self.reports)


@pytest.fixture
def trio(new_site: MakeSite, own_anvil: Devnet) -> Iterator[Trio]:
    site = new_site(own_anvil)
    stop_the_clock(site.url)
    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(site.url)) for _ in range(3)]
        witnesses = json.dumps([node.url for node in nodes[1:]])
        site.edit(f'rpc = "{site.url}"', f'rpc = "{nodes[0].url}"\nwitnesses = {witnesses}')
        site.add("a.txt", b"a")
        yield Trio(site, nodes)


def instead(result: Any) -> Bend:
    return lambda params, right: result


def shifted(tag: str, by: int, behind: str) -> Bend:
    """Let ``tag`` name a block that is ``by`` further on."""

    def bend(params: list[Any], right: Any) -> Any:
        if params[0] != tag:
            return right
        return ask(
            behind, "eth_getBlockByNumber", hex(max(int(right["number"], 16) + by, 0)), False
        )

    return bend


def test_a_block_is_final_when_the_majority_of_all_nodes_say_so(trio: Trio) -> None:
    chain = trio.open()
    assert trio.run(chain).state is RunState.INCLUDED
    for node in trio.nodes[1:]:
        node.bend["eth_getBlockByNumber"] = shifted("finalized", -2, trio.site.url)
    trio.mine(2)
    assert trio.refresh(chain) == 0, "one node of three"
    trio.nodes[2].bend.clear()
    assert trio.refresh(chain) == 1, "two of three"
    assert not trio.told("left out")


@pytest.mark.fault(
    "D7",
    how="one node of three is ahead with its final block, then all go back with it",
    then="the newest block that enough agree on counts, and never an older one than before",
)
def test_one_node_ahead_decides_nothing_and_final_blocks_never_go_back(trio: Trio) -> None:
    chain = trio.open()
    trio.run(chain)
    trio.mine(4)
    number = int(ask(trio.site.url, "eth_blockNumber"), 16)
    trio.nodes[1].bend["eth_getBlockByNumber"] = shifted("finalized", 1, trio.site.url)
    before = chain.fetch_final_block("finalized")
    assert before.number == number - 2
    for node in trio.nodes:
        node.bend["eth_getBlockByNumber"] = shifted("finalized", -3, trio.site.url)
    assert chain.fetch_final_block("finalized") == before
    assert trio.open().fetch_final_block("finalized").number == number - 5


@pytest.mark.fault(
    "D7",
    how="the nodes' final blocks go back and come again on another fork",
    then="refused (32): finality was violated",
)
def test_a_final_block_that_another_replaced_stops_everything(trio: Trio) -> None:
    chain = trio.open()
    trio.mine(6)
    snapshot = ask(trio.site.url, "evm_snapshot")
    trio.mine(3)
    chain.fetch_final_block("finalized")
    assert ask(trio.site.url, "evm_revert", snapshot)
    ask(trio.site.url, "evm_increaseTime", 1_000)
    trio.mine(4)
    with pytest.raises(ChainGuardError, match="finality was violated"):
        chain.fetch_final_block("finalized")


@pytest.mark.fault(
    "D11",
    how="a witness has another hash for a block that the others call final",
    then="cannot check (20), naming both; nothing is final; anchoring goes on",
)
def test_a_split_makes_nothing_final_and_names_both_sides(trio: Trio) -> None:
    chain = trio.open()
    trio.run(chain)
    trio.mine(4)
    trio.nodes[2].bend["eth_getBlockByNumber"] = lambda params, right: (
        right if params[0] == "0x0" else fork(right)
    )
    with pytest.raises(QuorumError, match="the nodes disagree about final block") as caught:
        trio.refresh(chain)
    assert trio.nodes[2].url in caught.value.message
    trio.site.add("b.txt", b"b")
    assert trio.run(chain).state is RunState.INCLUDED
    assert trio.told("cannot tell whether it is final", "disagree")
    assert trio.site.rows("SELECT sum(final) FROM anchors") == [(0,)]
    trio.nodes[2].bend.clear()
    assert trio.refresh(chain) >= 1


BENT: list[tuple[dict[str, Bend], str]] = [
    ({"eth_syncing": instead({"currentBlock": "0x1"})}, "is still syncing"),
    ({"eth_chainId": instead("0x1")}, "is on another chain"),
    (
        {
            "eth_getBlockByNumber": lambda params, right: (
                {**right, "hash": FALSE_HASH} if params[0] == "0x0" else right
            )
        },
        "is on another chain",
    ),
    ({}, "cannot be reached"),
    ({"eth_getBlockByNumber": instead("rubbish")}, "malformed block"),
]


@pytest.mark.fault(
    "E6",
    how="witnesses are syncing, on another chain id or genesis, down, or speak nonsense",
    then="left out and named; with one the rest is enough, with two nothing becomes final (20)",
)
@pytest.mark.parametrize(("bend", "reason"), BENT, ids=[item[1] for item in BENT])
def test_nodes_that_cannot_be_used_are_left_out_and_named(
    trio: Trio, bend: dict[str, Bend], reason: str, injected: Callable[[int], None]
) -> None:
    injected(2)
    chain = trio.open()
    trio.run(chain)
    trio.mine(2)
    trio.nodes[1].bend, trio.nodes[1].down = dict(bend), not bend
    trio.nodes[2].bend, trio.nodes[2].down = dict(bend), not bend
    with pytest.raises(QuorumError, match="1 of 3 nodes agree") as caught:
        trio.refresh(chain)
    assert caught.value.message.count(reason) == 2
    assert trio.nodes[1].url in caught.value.message
    assert trio.site.rows("SELECT sum(final) FROM anchors") == [(0,)]
    trio.nodes[1].bend, trio.nodes[1].down = {}, False
    assert trio.refresh(chain) == 1
    assert trio.told("left out", trio.nodes[2].url, reason)
    assert trio.told(trio.nodes[1].url, "can be used again")
    told = len(trio.reports)
    chain.fetch_final_block("finalized")
    assert len(trio.reports) == told, "what stays so is told once"


@pytest.mark.fault(
    "E10",
    how="the node that is read invents an anchor in storage and the receipt of its transaction",
    then="the others do not find it in the final block: cannot check (20), never final",
)
def test_a_single_lying_node_cannot_invent_an_anchor(trio: Trio) -> None:
    chain = trio.open()
    with trio.site.lead() as project:
        sealed = seal(project.database, "2026-01-01T00:00:00Z")
    assert sealed is not None
    anchor = 1 | 1 << 48 | 9 << 88 | 1_790_000_000 << 136  # size, sequence, block, time
    slots: list[str] = []

    def lie(params: list[Any], right: Any) -> Any:
        # The first slot that is asked for is the log's head; the others are anchors.
        slots.append(params[1])
        word = sealed[0].root if params[1] == slots[0] else anchor.to_bytes(32, "big")
        return "0x" + word.hex()

    trio.rpc.bend["eth_getStorageAt"] = lie
    before = nonce(trio.site.url)
    trio.mine(12)
    done = trio.run(chain)
    assert done.state is RunState.INCLUDED, "as reversible it is believed"
    assert trio.told("the nodes disagree about the contents of the final block", trio.rpc.url)
    with pytest.raises(QuorumError, match="disagree about the contents of the final block"):
        trio.refresh(chain)
    assert trio.site.rows("SELECT final FROM anchors") == [(0,)]
    # Once it stops lying, the anchor that never was is forgotten and made.
    trio.rpc.bend.clear()
    trio.refresh(chain)
    assert trio.run(chain).state is RunState.INCLUDED
    assert nonce(trio.site.url) == before + 1


@pytest.mark.fault(
    "E9",
    how="the node that is read is down at the start of a round",
    then="the next one is read for that round; the others are asked whether they agree",
)
@pytest.mark.fault(
    "E4",
    how="three nodes could be asked for the facts of one decision",
    then="storage is read from one of them; nonce, gas, fee and receipts from all that answer",
)
def test_a_round_falls_over_to_the_next_node(trio: Trio) -> None:
    chain = trio.open()
    trio.rpc.down = True
    assert trio.run(chain).state is RunState.INCLUDED
    assert trio.told("left out", trio.rpc.url, "cannot be reached")
    assert trio.told("reading from", trio.nodes[1].url)
    facts = ("eth_getTransactionReceipt", "eth_estimateGas", "eth_call", "eth_getBalance")
    for node in trio.nodes[1:]:
        assert all(node.asked(method) for method in facts)
    assert trio.nodes[1].asked("eth_getStorageAt")
    in_final = trio.nodes[2].asked("eth_getStorageAt")
    assert all(isinstance(params[2], dict) for params in in_final), "in the final block only"
    assert len(trio.nodes[2].asked("eth_sendRawTransaction")) == 1
    trio.rpc.down = False
    trio.site.add("b.txt", b"b")
    assert trio.run(chain).state is RunState.INCLUDED
    assert trio.told("reading from", trio.rpc.url)


@pytest.mark.fault(
    "E9",
    how="every node's quota is used up; they say for how long, or nothing",
    then="cannot check (20): again when the first of them may be asked",
)
@pytest.mark.parametrize(
    ("asked", "expected"), [(("70", "50", "90"), 50.0), (("70", "", "90"), 0.0)]
)
def test_nodes_that_are_all_busy_are_asked_again_when_the_first_of_them_wants(
    trio: Trio, asked: tuple[str, ...], expected: float
) -> None:
    with ExitStack() as stack:
        proxies = [stack.enter_context(open_proxy(node)) for node in trio.nodes]
        for (proxy, _), wait in zip(proxies, asked, strict=True):
            proxy.always(ANY, asks_to_wait(wait))
        nodes = [stack.enter_context(reading(url, monotonic=lambda: 0.0)) for _, url in proxies]
        with trio.site.open() as project:
            pins = project.config
        chain = NodeGroup(
            nodes,
            needed=2,
            chain_id=pins.chain_id,
            genesis=pins.genesis,
            report=lambda _: None,
        )
        for _ in range(2):
            with pytest.raises(QuorumError) as caught:
                chain.select_primary()
        assert caught.value.retry_after == expected
        # Those that said when were asked once.
        assert [len(proxy.calls) for proxy, _ in proxies] == [1 if wait else 2 for wait in asked]


@pytest.mark.fault(
    "E3",
    how="the first node comes back with a head ten blocks older than one already seen",
    then="it is not read until it has caught up",
)
def test_a_node_with_a_stale_head_is_not_read(trio: Trio) -> None:
    chain = trio.open()
    trio.run(chain)
    trio.mine(10)
    chain.fetch_final_block("finalized")
    stale = ask(trio.site.url, "eth_getBlockByNumber", "0x2", False)
    trio.rpc.bend["eth_getBlockByNumber"] = lambda params, right: (
        stale if params[0] == "latest" else right
    )
    chain.select_primary()
    assert trio.told("left out", trio.rpc.url, "is at block 2, but block")
    assert chain.name == trio.nodes[1].url
    trio.rpc.bend = {}
    chain.select_primary()
    assert chain.name == trio.rpc.url


@pytest.mark.fault(
    "E5",
    how="chain.rpc is on another chain in the middle of a run, and one of two witnesses with it",
    then="refused (32): a wrong chain is passed over only where enough others are on the right one",
)
def test_a_first_node_on_another_chain_is_refused_where_few_others_are_on_ours(trio: Trio) -> None:
    chain = trio.open()
    trio.mine(8)
    trio.run(chain)
    for node in trio.nodes[:2]:
        node.bend["eth_chainId"] = instead("0x1")
    with pytest.raises(ChainGuardError, match="is on chain 1"):
        trio.run(chain)
    with other_chain(4242) as url:  # which is shorter, too
        for node in trio.nodes[:2]:
            node.bend.clear()
            node.behind = url
        with pytest.raises(ChainGuardError, match="is on chain 4242"):
            trio.run(chain)


@pytest.mark.fault(
    "E5",
    how="chain.rpc alone is on another chain, by its id or by its genesis block",
    then="left out and named; the run goes on with the next node",
)
@pytest.mark.parametrize("member", ["id", "genesis"])
def test_a_first_node_that_is_alone_on_another_chain_is_left_out(trio: Trio, member: str) -> None:
    chain = trio.open()
    if member == "id":
        trio.rpc.bend["eth_chainId"] = instead("0x1")
    else:
        trio.rpc.bend["eth_getBlockByNumber"] = lambda params, right: (
            {**right, "hash": FALSE_HASH} if params[0] == "0x0" else right
        )
    assert trio.run(chain).state is RunState.INCLUDED
    assert trio.told("left out", trio.rpc.url, "is on another chain")
    assert trio.told("reading from", trio.nodes[1].url)


@pytest.mark.fault(
    "E6",
    how="the first node, or all of them, say null for the genesis block or the newest one",
    then="left out and named; with all of them cannot check (20): no answer is no other chain",
)
@pytest.mark.parametrize(("tag", "text"), [("0x0", "genesis block"), ("latest", "latest block")])
def test_a_block_that_is_not_given_is_no_other_chain(trio: Trio, tag: str, text: str) -> None:
    chain = trio.open()
    bend = {
        "eth_getBlockByNumber": lambda params, right: None if params[0] == tag else right,
    }
    trio.rpc.bend |= bend
    assert trio.run(chain).state is RunState.INCLUDED
    assert trio.told("left out", trio.rpc.url, f"has no {text}")
    for node in trio.nodes:
        node.bend |= bend
    with pytest.raises(CannotCheckError, match=f"has no {text}"):
        trio.run(chain)


@pytest.mark.fault(
    "B6",
    how="the node that is read swallows the transaction; a witness takes it, another refuses it",
    then="included once; the refusal is reported and changes nothing",
)
def test_a_transaction_is_offered_to_every_node(trio: Trio) -> None:
    def refuse(params: list[Any], right: Any) -> Any:
        raise Refused(-32000, "transaction type not allowed here")

    trio.rpc.swallow.add("eth_sendRawTransaction")
    trio.nodes[2].bend["eth_sendRawTransaction"] = refuse
    before = nonce(trio.site.url)
    assert trio.run(trio.open()).state is RunState.INCLUDED
    assert trio.told(
        trio.nodes[2].url, "does not accept the transaction", "transaction type not allowed here"
    )
    assert nonce(trio.site.url) == before + 1


@pytest.mark.fault(
    "E11",
    how="all nodes are down for an hour (a day with -m slow) while evidence comes in",
    then="evidence is accepted, nothing is sealed; one anchor for all of it when they are back",
)
@pytest.mark.parametrize("hours", [1, pytest.param(24, marks=pytest.mark.slow)])
def test_hours_without_any_node_lose_nothing(
    trio: Trio, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "Backoff", partial(Backoff, longest=60.0))
    operator = Operator(trio.site)

    def switch(down: bool) -> Callable[[], None]:
        def set_all() -> None:
            for node in trio.nodes:
                node.down = down

        return set_all

    switch(True)()
    end = hours * 3600.0
    operator.clock.at = {end / 2: operator.add("b", "c"), end: switch(False)}
    operator.run(until=end + 70, chain=trio.open())
    assert operator.events()[-1] == "included"
    assert set(operator.events()[:-1]) == {"failed"}
    assert operator.sizes() == [3]
    assert trio.site.anchors_on_chain() == [(3, 1)]


@pytest.mark.fault(
    "E9",
    how="two of three nodes are down for two minutes while evidence comes in",
    then="nothing is signed on one node's word, and told once in a while; then one anchor for all",
)
def test_too_few_witnesses_hold_up_anchoring_and_are_told_once_in_a_while(
    trio: Trio, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert daemon._REMIND == 3600
    monkeypatch.setattr(daemon, "_REMIND", 100.0)
    for node in trio.nodes[1:]:
        node.down = True
    operator = Operator(trio.site)

    def bring_back() -> None:
        for node in trio.nodes[1:]:
            node.down = False

    attempts = trio.site.rows("SELECT count(*) FROM attempts")
    operator.clock.at = {
        30.0: operator.add("b"),
        70.0: operator.add("c"),
        149.0: lambda: held.append(trio.site.rows("SELECT count(*) FROM attempts")),
        150.0: bring_back,
    }
    held: list[Any] = []
    operator.run(until=500, chain=trio.open())
    assert held == [attempts]
    failed = [item for item in operator.happened if item.event == "failed"]
    assert all("1 nodes answer, but 2 must" in item.text for item in failed)
    assert trio.site.anchors_on_chain() == [(3, 1)]


@pytest.mark.fault(
    "E12",
    how="all of the operator's nodes are on a minority fork of the same genesis",
    then="nothing tells the operator; a verifier's node on the other fork knows another block "
    "of that number: cannot check (20)",
)
def test_an_eclipse_deceives_the_operator_and_no_other_verifier(
    tmp_path: Path, anvil_path: Path
) -> None:
    program = anvil_with(tmp_path, anvil_path, timestamp=int(time.time()))
    with open_devnet(anvil=program) as minority, open_devnet(anvil=program) as majority:
        site = make_site(tmp_path / "project", minority, number=1)
        make_site(tmp_path / "other", majority, number=1)
        ask(majority.url, "anvil_mine", "0x8")  # it has blocks where the minority's anchor is
        file = site.add("a.txt", b"a")
        site.run("run", "--once").expect(0, "anchored (final)")
        site.run("prove", file).expect(0)
        site.run("verify", file).expect(0)
        site.run("verify", file, "--rpc", majority.url).expect(20, "one side is on a fork")


def test_two_forks_of_one_genesis_are_a_split(tmp_path: Path, anvil_path: Path) -> None:
    program = anvil_with(tmp_path, anvil_path, timestamp=1_790_000_000)
    with open_devnet(anvil=program) as one, open_devnet(anvil=program) as other:
        site = make_site(tmp_path / "project", one, number=1)
        site.edit(f'rpc = "{one.url}"', f'rpc = "{one.url}"\nwitnesses = ["{other.url}"]')
        site.add("a.txt", b"a")
        ask(one.url, "anvil_mine", "0x8")
        ask(other.url, "anvil_mine", "0x8")
        ran = site.run("run", "--once", "--wait", "final")
        ran.refused(20, "the nodes disagree about the code at")
        assert site.rows("SELECT final FROM anchors") == []
        status = site.run("doctor").expect(20)
        assert "the nodes disagree about final block" in status.out


# Set-up and configuration

SECRET = "canary-witness-key-81c3"


def test_the_quorum_is_the_majority_unless_it_is_set(trio: Trio) -> None:
    def quorum() -> int:
        with trio.site.open() as project:
            return project.config.quorum

    assert quorum() == 2
    trio.site.edit("witnesses = ", "quorum = 3\nwitnesses = ")
    assert quorum() == 3
    trio.site.edit("quorum = 3", "quorum = 4")
    ran = trio.site.run("status").refused(2, "names 3 nodes, of which 4 would have")
    assert "ANCHOR_CHAIN__WITNESSES" in ran.err
    trio.site.edit("quorum = 4", "quorum = 0")
    trio.site.run("status").refused(2, "chain.quorum")


def test_one_node_may_not_agree_with_itself(trio: Trio) -> None:
    url = trio.nodes[1].url
    trio.site.run("status", env={"ANCHOR_CHAIN__RPC": url + "/"}).refused(2, "names one node twice")


@pytest.mark.fault(
    "J8",
    how="a witness's URL holds an API key; the witness is down, refuses, or the list is broken",
    then="only scheme, host and port are ever printed",
)
def test_a_witness_url_is_never_printed_whole(trio: Trio) -> None:
    one, two = (f"{node.url}/v3/{SECRET}" for node in trio.nodes[1:])
    trio.nodes[2].down = True
    trio.nodes[1].bend["eth_sendRawTransaction"] = lambda params, right: _refuse(one)
    env = {"ANCHOR_CHAIN__WITNESSES": json.dumps([one, two])}
    runs = [
        trio.site.run(*words, env=env)
        for words in (("run", "--once", "--wait", "included"), ("status",), ("doctor",))
    ]
    broken = [f'["{one}"', f'"{one}"', f'["ftp://x/{SECRET}"]', f'[["{one}"]]', one]
    runs += [trio.site.run("status", env={"ANCHOR_CHAIN__WITNESSES": text}) for text in broken]
    assert [ran.code for ran in runs[-len(broken) :]] == [2] * len(broken)
    shown = "".join(ran.out + ran.err for ran in runs)
    assert f"{trio.nodes[1].url} does not accept the transaction" in shown
    assert f"{trio.nodes[2].url} cannot be reached" in shown
    assert SECRET not in shown


def _refuse(url: str) -> Any:
    raise Refused(-32000, f"not for {url}")


def test_init_pins_the_witnesses_and_keeps_secrets_out_of_the_file(
    tmp_path: Path, trio: Trio
) -> None:
    plain, secret = trio.nodes[1].url, f"{trio.nodes[2].url}/v3/{SECRET}"
    key = trio.site.folder / "devnet-key.json"
    words = ("--rpc", trio.rpc.url, "--keystore", key, "--witness", plain, "--witness", secret)
    folder = tmp_path / "new"
    ran = trio.site.run("init", folder, *words, "--number", "77").expect(0)
    assert "ANCHOR_CHAIN__WITNESSES" in ran.err
    written = (folder / "anchor.toml").read_text("utf-8")
    assert f'witnesses = ["{plain}"]' in written
    assert "quorum = 2" in written
    assert SECRET not in written + ran.out + ran.err
    (entry,) = parse_policy((folder / "trust.toml").read_bytes()).entries
    assert (entry.rpc, entry.quorum) == ((trio.rpc.url, plain), 2)
    env = {"ANCHOR_CHAIN__WITNESSES": json.dumps([plain, secret])}
    site = Site(folder=folder, url=trio.site.url, number=77)
    site.run("status", env=env).expect(0)
    refused = trio.site.run("init", tmp_path / "odd", *words, "--quorum", "4")
    refused.refused(2, "of which 4 would have to agree")
    with other_chain(4242) as url:
        far = trio.site.run("init", tmp_path / "far", *words, "--witness", url)
    far.refused(32, "is on another chain", url)
    assert not (tmp_path / "odd").exists()
    assert not (tmp_path / "far").exists()


@pytest.mark.parametrize(
    ("rpc", "witnesses", "quorum", "named", "needed"),
    [
        ("http://a", (), 1, ("http://a",), 1),
        ("http://a", ("http://b", "http://c"), 2, ("http://a", "http://b", "http://c"), 2),
        ("http://a", ("http://b", "http://c"), 3, ("http://a", "http://b", "http://c"), 3),
        ("http://a", ("http://b", "http://c"), 1, ("http://a", "http://b", "http://c"), 1),
        ("http://a/v3/key", ("http://b", "http://c/?key=1"), 2, ("http://b",), 1),
        ("http://a/v3/key", ("http://user@b",), 2, (), 1),
        (
            "http://a",
            tuple(f"http://b{number}" for number in range(20)),
            18,
            ("http://a", *(f"http://b{number}" for number in range(15))),
            16,
        ),
    ],
)
def test_the_policy_of_a_project_names_its_plain_nodes_and_how_many_have_to_agree(
    trio: Trio,
    rpc: str,
    witnesses: tuple[str, ...],
    quorum: int,
    named: tuple[str, ...],
    needed: int,
) -> None:
    with trio.site.open() as project:
        config = replace(project.config, rpc=rpc, witnesses=witnesses, quorum=quorum)
    (entry,) = parse_policy(encode_policy([trust_entry(config)])).entries
    assert (entry.rpc, entry.quorum) == (named, needed)


def test_doctor_says_which_witness_is_left_out(trio: Trio) -> None:
    trio.mine(4)
    ran = trio.site.run("doctor").expect(
        0, "2 of 3 nodes must agree, and they agree on final block"
    )
    assert "left out" not in ran.out
    by_depth = trio.site.run("doctor", env={"ANCHOR_CHAIN__FINALITY": "1"}).expect(0)
    assert re.search("2 of 3 nodes .* agree on block [0-9]+, which counts as final", by_depth.out)
    trio.nodes[1].down = True
    trio.site.run("doctor").expect(0, "2 of 3 nodes", f"left out: the node {trio.nodes[1].url}")
    trio.nodes[2].bend["eth_syncing"] = instead({"currentBlock": "0x1"})
    ran = trio.site.run("doctor").expect(20, "1 of 3 nodes agree on what is final")
    assert "is still syncing" in ran.out


@pytest.mark.fault(
    "E6",
    how="the only node is syncing",
    then="cannot check (20), nothing is sealed or sent",
)
def test_an_only_node_that_is_syncing_is_not_used(trio: Trio) -> None:
    trio.site.edit("witnesses = ", "# ")
    trio.rpc.bend["eth_syncing"] = instead({"currentBlock": "0x1", "highestBlock": "0x2"})
    trio.site.run("run", "--once").refused(20, "is still syncing")
    assert trio.site.heads() == []
    trio.rpc.bend["eth_syncing"] = lambda params, right: _no_such_method()
    trio.site.run("run", "--once", "--wait", "included").expect(0)


def _no_such_method() -> Any:
    raise Refused(-32601, "the method eth_syncing does not exist")
