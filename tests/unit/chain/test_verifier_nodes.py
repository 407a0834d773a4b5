"""Receipts anchored on several chains, and nodes on the command line: each chain has its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import pytest
from support.nodes import other_chain
from support.world import INDEX, MAIN, SIDE, SIZE, World
from support.world_nodes import serve_chain

from anchor.base.errors import UsageError
from anchor.base.types import ChainId
from anchor.chain.verifier_nodes import Nodes
from anchor.receipt.format import encode_receipt
from anchor.verification.policy import TrustPolicy
from anchor.verification.report import Report
from anchor.verification.verifier import judge

DEAD = "http://127.0.0.1:9"


@dataclass
class Bench:
    """A receipt with an anchor on each of two chains, and nodes of both."""

    world: World
    urls: dict[str, str]
    nodes: Nodes | None = None
    told: list[str] = field(default_factory=list)

    def judge(
        self, names: str, quorum: int | None = None, policy: TrustPolicy | None = None
    ) -> Report:
        """Ask the nodes named, by letters."""
        urls = [self.urls[name] for name in names]
        self.nodes = Nodes(urls, quorum, lambda _: ((), 1), self.told.append)
        anchors = [self.world.anchor(INDEX, SIZE, chain) for chain in (MAIN, SIDE)]
        return judge(
            encode_receipt(self.world.receipt(INDEX, *anchors)),
            self.world.evidence(INDEX),
            policy=policy,
            connect=self.nodes.connect,
            chain_ids=(MAIN, SIDE),
            accept_unpinned=True,
        )


@contextmanager
def open_bench(*, lie: ChainId | None = None) -> Iterator[Bench]:
    world = World()
    with ExitStack() as stack:
        urls = {
            "m": stack.enter_context(serve_chain(world.chains[MAIN])),
            "n": stack.enter_context(serve_chain(world.chains[MAIN], says=lie)),
            "s": stack.enter_context(serve_chain(world.chains[SIDE])),
            "t": stack.enter_context(serve_chain(world.chains[SIDE])),
            "o": stack.enter_context(other_chain(5)),
            "d": DEAD,
        }
        yield Bench(world, urls)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


def levels(report: Report) -> list[tuple[int, str]]:
    return [(proven.chain_id, proven.assurance) for proven in report.proven]


@pytest.mark.parametrize("names", ["ms", "sm"])
def test_a_node_of_each_chain_is_one_nodes_word_for_each(bench: Bench, names: str) -> None:
    report = bench.judge(names, 1)
    assert int(report.exit_code) == 0
    assert levels(report) == [(MAIN, "rpc"), (SIDE, "rpc")]


@pytest.mark.parametrize("names", ["mnst", "smtn", "tsnm"])
def test_two_nodes_of_each_chain_have_to_agree(bench: Bench, names: str) -> None:
    report = bench.judge(names)
    assert int(report.exit_code) == 0
    assert levels(report) == [(MAIN, "quorum"), (SIDE, "quorum")]
    assert bench.nodes is not None
    assert len(bench.nodes.asked_now) == 4
    assert bench.told == []


@pytest.mark.parametrize(
    ("names", "quorum", "why"),
    [
        ("m", None, f"none of the nodes named is on chain {SIDE}"),
        ("mn", None, f"none of the nodes named is on chain {SIDE}"),
        ("ms", None, "must agree; named: 1"),
        ("ms", 2, "must agree; named: 1"),
        ("mns", 2, f"2 nodes of chain {SIDE} must agree; named: 1"),
        # One that does not answer may have been meant for either, and counts for both.
        ("msd", None, "1 of 2 nodes agree on what is final, but 2 must"),
        # One of a chain that no anchor is on lowers nobody's number.
        ("mso", None, "1 of 2 nodes agree on what is final, but 2 must"),
    ],
)
def test_a_chain_with_too_few_nodes_is_not_told(
    bench: Bench, names: str, quorum: int | None, why: str
) -> None:
    report = bench.judge(names, quorum)
    assert int(report.exit_code) == 20
    assert report.error is not None
    assert why in report.error.message


def test_a_node_too_many_is_left_out_where_enough_agree(bench: Bench) -> None:
    assert levels(bench.judge("mnstd")) == [(MAIN, "quorum"), (SIDE, "quorum")]
    assert levels(bench.judge("mnsto")) == [(MAIN, "quorum"), (SIDE, "quorum")]


def test_a_policy_lowers_no_number_and_chooses_the_chains(bench: Bench) -> None:
    world = bench.world
    both = world.policy(world.entry(MAIN), replace(world.entry(SIDE), quorum=2))
    assert int(bench.judge("ms", 1, policy=both).exit_code) == 20
    assert levels(bench.judge("mst", 1, policy=both)) == [(MAIN, "rpc"), (SIDE, "quorum")]
    # One chain pinned: what else is named is left out.
    assert int(bench.judge("ms", policy=world.policy()).exit_code) == 20
    assert levels(bench.judge("mns", policy=world.policy())) == [(MAIN, "quorum")]
    assert levels(bench.judge("m", policy=world.policy())) == [(MAIN, "rpc")]


@pytest.mark.parametrize("names", ["mn", "nm", "mns", "mnst", "ns", "nst"])
def test_a_node_that_lies_about_its_chain_delays_and_nothing_else(names: str) -> None:
    with open_bench(lie=SIDE) as bench:
        # n, of the main chain, says that it is of the other, and knows nothing of its blocks.
        report = bench.judge(names)
        assert int(report.exit_code) == 20
        # What two honest nodes of the other chain agree about, it can neither add to nor hide.
        assert {proven.chain_id for proven in report.proven} <= {SIDE}


ONE_NODE = (
    "http://127.0.0.1:8545", "http://127.1:8545", "http://0x7f.1:8545/", "http://localhost:8545",
    "http://LOCALHOST.:8545", "http://[::1]:8545", "http://[0:0:0:0:0:0:0:1]:8545",
    "http://[::ffff:127.0.0.1]:8545", "http://user:word@127.0.0.1:8545", "https://127.0.0.1:8545",
)  # fmt: skip
ONE_PROVIDER = (
    "https://node.example/v1/key", "http://node.example/v1/key", "https://NODE.example:443/v1/key/",
    "http://node.example.:80/%761/key", "https://node.example/v1/key#top",
)  # fmt: skip

ONE_FOREIGN_NAME = (
    "https://bücher.example/v1/key", "https://BÜCHER.example/v1/key",
    "https://xn--bcher-kva.example:443/v1/key", "https://XN--BCHER-KVA.example./v1/key",
    "https://bu\u0308cher\u3002example/v1/key",
)  # fmt: skip
ONE_ADDRESS = (
    "http://10.0.0.1:80", "http://10.1", "http://0x0a000001", "http://[::ffff:10.0.0.1]",
    "http://[::ffff:a00:1]", "http://１０.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize(
    "urls",
    [ONE_NODE, ONE_PROVIDER, ONE_FOREIGN_NAME, ONE_ADDRESS],
    ids=["local", "name", "foreign name", "address"],
)
def test_a_node_under_another_spelling_does_not_agree_with_itself(urls: tuple[str, ...]) -> None:
    for other in urls[1:]:
        with pytest.raises(UsageError, match="names one node twice"):
            Nodes([urls[0], other], None, lambda _: ((), 1), lambda _: None)


@pytest.mark.parametrize(
    "other",
    ["http://127.0.0.1:8546", "http://[::2]:8545", "http://local.example:8545"],
)
def test_nodes_that_may_be_two_are_two(other: str) -> None:
    Nodes([ONE_NODE[0], other], None, lambda _: ((), 1), lambda _: None)


@pytest.mark.parametrize(
    "urls",
    [
        ("https://node.example/x?key=1", "https://node.example/x?key=2"),
        ("https://straße.example", "https://strasse.example"),
        ("https://xn--.example", "https://xn--!.example"),
    ],
)
def test_other_queries_and_other_names_stay_two_nodes(urls: tuple[str, ...]) -> None:
    Nodes(urls, None, lambda _: ((), 1), lambda _: None)
