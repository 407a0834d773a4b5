"""A verifier's nodes that are down, lag, fork or lie delay a verdict, and never falsify one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.bent_nodes import BentNode, bent_node
from support.command import Ran, run_anchor
from support.nodes import ask, other_chain
from support.projects import Site, make_site

from anchor.chain.devnet import Devnet
from anchor.cli.files import digest_file
from anchor.cli.nodes import Nodes
from anchor.filenames import RECEIPT_SUFFIX
from anchor.merkle import hash_leaf
from anchor.trust import parse_policy
from anchor.verify import judge


@dataclass
class Court:
    """A verifier with a file, its receipt and a policy; three nodes, one anvil behind them."""

    file: Path
    policy: Path
    nodes: list[BentNode]
    anvil: Devnet
    agreed: str

    @property
    def receipt(self) -> Path:
        return self.file.with_name(self.file.name + RECEIPT_SUFFIX)

    def verify(self, *options: str, nodes: int = 3) -> Ran:
        return self.ask(*[node.url for node in self.nodes[:nodes]], options=options)

    def ask(self, *urls: str, options: tuple[str, ...] = ()) -> Ran:
        rpc = [part for url in urls for part in ("--rpc", url)]
        words = ("verify", self.file, "--trust", self.policy, *rpc, *options)
        return run_anchor(*words, cwd=self.file.parent)

    def verdict(self, quorum: int | None = None, *, nodes: int = 3) -> tuple[int, str | None]:
        """Return the exit code, and the assurance that was reached."""
        urls = [node.url for node in self.nodes[:nodes]]
        report = judge(
            self.receipt.read_bytes(),
            digest_file(self.file),
            policy=parse_policy(self.policy.read_bytes()),
            connect=Nodes(urls, quorum, lambda _: (), lambda _: None).connect,
        )
        assurance = report.proven[0].assurance if report.proven else None
        return int(report.exit_code), assurance


@pytest.fixture(scope="module")
def anchored(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a project with one final piece of evidence, and its receipt."""
    site = make_site(tmp_path_factory.mktemp("court") / "project", module_anvil, number=0)
    site.add("a.txt", b"a")
    site.anchor()
    ask(site.url, "anvil_mine", "0x10")
    assert site.run("prove", "a.txt").code == 0
    return site


@pytest.fixture(params=["proof", "quorum"])
def court(
    request: pytest.FixtureRequest, anchored: Site, module_anvil: Devnet, tmp_path: Path
) -> Iterator[Court]:
    """Nodes that agree amount to a proof where the receipt holds one, else to their word."""
    for name in ("a.txt", "a.txt" + RECEIPT_SUFFIX):
        (tmp_path / name).write_bytes((anchored.folder / name).read_bytes())
    if request.param == "quorum":
        receipt = tmp_path / ("a.txt" + RECEIPT_SUFFIX)
        document = json.loads(receipt.read_bytes())
        del document["anchors"][0]["state"]
        receipt.write_text(json.dumps(document))
    policy = tmp_path / "mine.toml"
    policy.write_bytes((anchored.folder / "trust.toml").read_bytes())
    with ExitStack() as stack:
        nodes = [stack.enter_context(bent_node(anchored.url)) for _ in range(3)]
        yield Court(tmp_path / "a.txt", policy, nodes, module_anvil, request.param)


def test_two_nodes_of_those_named_have_to_agree(court: Court) -> None:
    assert court.verdict() == (0, court.agreed)
    assert court.verdict(nodes=2) == (0, court.agreed)
    assert court.verdict(nodes=1) == (0, "rpc")
    assert court.verdict(1) == (0, "rpc")
    assert court.verdict(3) == (0, court.agreed)
    for node in court.nodes:
        assert bool(node.asked("eth_getStorageAt")) == (court.agreed == "quorum")
    shown = court.verify()
    assert f"agree: assurance {court.agreed}" in shown.out.replace("agree about", "agree")
    assert all(node.url.partition("//")[2] in shown.out for node in court.nodes)


def test_a_quorum_that_cannot_be_is_bad_usage(court: Court) -> None:
    assert court.verify("--quorum", "4").code == 2
    assert court.verify("--rpc", court.nodes[0].url).code == 2


@pytest.mark.fault(
    "E10",
    how="one of a verifier's three nodes is down, says what is not so, or is on another chain",
    then="the others' word counts, or cannot check (20); never verified by a lie, nor refused",
)
@pytest.mark.parametrize(
    ("method", "bend"),
    [
        ("eth_getStorageAt", lambda _, right: "0x" + "00" * 32),
        ("eth_getStorageAt", lambda _, right: hex(int(right, 16) + (1 << 60))),
        ("eth_getCode", lambda *_: "0x"),
        ("eth_chainId", lambda *_: "0x1"),
        ("eth_getBlockByNumber", lambda _, right: right and {**right, "hash": "0x" + "f0" * 32}),
        ("eth_getBlockByNumber", lambda *_: None),
        ("eth_getBlockByNumber", lambda _, right: right and {**right, "number": "0x0"}),
        ("eth_syncing", lambda *_: {"startingBlock": "0x0"}),
    ],
    ids=["storage", "other", "code", "chain", "hash", "none", "stale", "syncing"],
)
@pytest.mark.parametrize("liar", [0, 1, 2])
def test_one_node_that_lies_falsifies_no_verdict(
    court: Court, liar: int, method: str, bend: Callable[[Any, Any], Any]
) -> None:
    court.nodes[liar].bend[method] = bend
    code, assurance = court.verdict()
    assert (code, assurance) in [(0, court.agreed), (20, None)]


@pytest.mark.parametrize("down", [0, 1, 2])
def test_one_node_that_is_down_is_named_and_not_needed(court: Court, down: int) -> None:
    court.nodes[down].down = True
    assert court.verdict() == (0, court.agreed)
    court.nodes[(down + 1) % 3].down = True
    code, assurance = court.verdict()
    assert (code, assurance) == (20, None)


@pytest.mark.fault(
    "E10",
    how="a verifier's only node, or all but one of them, invents the anchor of an altered root",
    then="with one honest node among two needed nothing is verified",
)
def test_an_invented_anchor_needs_all_nodes_to_invent_it(court: Court) -> None:
    document = json.loads(court.receipt.read_bytes())
    record = document["record"].replace("a.txt", "b.txt")
    leaf = hash_leaf(record.encode())
    document.update(record=record, index=0)
    anchor = document["anchors"][0]
    anchor.update(size=1, root=leaf.hex(), path=[])
    anchor.pop("state", None)
    court.receipt.write_text(json.dumps(document))
    word = 1 | anchor["sequence"] << 48 | anchor["block_number"] << 88 | anchor["timestamp"] << 136
    assert court.verdict()[0] == 11
    for node in court.nodes[:2]:
        node.bend["eth_getStorageAt"] = lambda *_: f"0x{word:064x}"
    assert court.verdict() == (20, None)
    # Whoever asks only those two, on one word more than that, is deceived: hence several operators.
    assert court.verdict(nodes=2)[0] == 0


def test_what_the_policy_asks_for_is_not_less_for_a_single_node(court: Court) -> None:
    court.policy.write_text(
        court.policy.read_text().replace('assurance = "rpc"', 'assurance = "quorum"')
    )
    ran = court.verify(nodes=1)
    assert ran.code == 20
    assert "asks for the assurance 'quorum', and this is 'rpc'" in ran.out
    assert court.verdict(nodes=2) == (0, court.agreed)


def test_nodes_on_two_chains_give_no_verdict(court: Court) -> None:
    with other_chain(1) as other:
        assert court.ask(court.anvil.url, other).code == 20
