"""An owner who leaves anchors behind: the page learns it from nodes, as the package does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.bent_nodes import BentNode, Refused, bent_node
from support.desk import compare
from support.disasters import anchor_final
from support.nodes import ask, stop_the_clock
from support.page_script import PageScript, run_page_script
from support.projects import Site, make_site

from anchor.base.messages.message import Message
from anchor.chain.devnet import Devnet
from anchor.chain.verifier_nodes import Nodes
from anchor.evidence.file_hashing import digest_file
from anchor.project.files import RECEIPT_SUFFIX
from anchor.verification.policy import parse_policy
from anchor.verification.verifier import judge

pytestmark = pytest.mark.release

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def script() -> Iterator[PageScript]:
    with run_page_script() as running:
        yield running


@pytest.fixture(scope="module")
def closed(module_anvil: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A log with three anchors, whose owner went on from the first; the receipts are older."""
    site = make_site(tmp_path_factory.mktemp("closed") / "project", module_anvil, number=0)
    for name in NAMES:
        anchor_final(site, name)
    for name in NAMES:
        assert site.run("prove", name).code == 0
    root = site.heads()[0][1].hex()
    site.run("succeed", "--yes", "--into", "../next", "--from-root", root).expect(0)
    following = successor(site)
    anchor_final(following, "d")
    assert following.run("prove", "d").code == 0
    ask(site.url, "anvil_mine", "0x10")
    stop_the_clock(site.url)  # what is final stays so while two look at it
    return site


def successor(site: Site) -> Site:
    return replace(site, folder=site.folder.parent / "next")


@pytest.fixture
def node(closed: Site) -> Iterator[BentNode]:
    with bent_node(closed.url) as running:
        yield running


@pytest.fixture(params=["proof", "nodes"])
def by(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Verifier:
    """Judges one of the receipts by a node, in the page's script and in the package."""

    def __init__(self, script: PageScript, site: Site, node: BentNode, by: str) -> None:
        self.script, self.site, self.node, self.by = script, site, node, by

    def judge(self, name: str, *, known: bool = False) -> Any:
        """``known``: what the receipt itself proves of who goes on is kept."""
        file = self.site.folder / name
        document = json.loads((self.site.folder / (name + RECEIPT_SUFFIX)).read_bytes())
        if self.by == "nodes":
            del document["anchors"][0]["state"]
        elif not known:
            document["anchors"][0]["state"].pop("successor", None)
        receipt = json.dumps(document).encode()
        text = (self.site.folder / "trust.toml").read_bytes()
        urls = [self.node.url]
        report = judge(
            receipt,
            digest_file(file),
            policy=parse_policy(text),
            connect=Nodes(urls, 1, lambda _: ((), 1), lambda _: None).connect,
        )
        page = self.script.judge_evidence(
            receipt,
            digest_file(file),
            policy=text.decode(),
            block_hashes=[],
            rpc=urls,
            quorum=1,
        )
        told = json.loads(json.dumps(page))
        compare(page, report)
        return told


@pytest.fixture
def verifier(script: PageScript, closed: Site, node: BentNode, by: str) -> Verifier:
    return Verifier(script, closed, node, by)


def ninth(page: dict[str, Any]) -> str:
    return next(step["detail"] for step in page["files"][0]["steps"] if step["number"] == 9)


def test_an_anchor_that_the_successor_took_over_stands(verifier: Verifier) -> None:
    page = verifier.judge("a")
    assert page["exit_code"] == 0
    assert Message("anchor-covered-by-successor", size=1) in ninth(page)


@pytest.mark.parametrize("name", ["b", "c"])
def test_those_after_it_are_abandoned(verifier: Verifier, name: str) -> None:
    page = verifier.judge(name)
    assert page["exit_code"] == 13
    abandoned = Message("anchor-abandoned", number="|", owner="", since="")
    assert abandoned.partition("|")[0] in ninth(page)
    verdicts = {claim["id"]: claim["verdict"] for claim in page["files"][0]["claims"]}
    assert [verdicts[claim] for claim in ("C1", "C2", "C3", "C6")] == [*["pass"] * 3, "fail"]
    # The newest is known without events; those between only by them.
    assert bool(verifier.node.asked("eth_getLogs")) == (name == "b")


def test_a_receipts_older_proof_does_not_outweigh_what_a_node_knows(verifier: Verifier) -> None:
    assert verifier.judge("b", known=True)["exit_code"] == 13


def test_without_the_event_a_closed_log_leaves_it_open(verifier: Verifier) -> None:
    def refuse(*_: object) -> None:
        raise Refused(-32000, "pruned")

    verifier.node.bend["eth_getLogs"] = refuse
    page = verifier.judge("b")
    assert page["exit_code"] == 20
    unknown = Message("log-closed-takeover-unknown")
    assert page["files"][0]["steps"][8]["detail"] == unknown
    assert verifier.judge("c")["exit_code"] == 13


def test_an_event_that_lies_is_only_a_hint(verifier: Verifier) -> None:
    """It is looked up in storage: of a root that the successor does not hold nothing follows."""
    root = verifier.site.heads()[1][1].hex()

    def lie(_: object, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**event, "data": "0x" + root + "0" * 63 + "2"} for event in events]

    verifier.node.bend["eth_getLogs"] = lie
    assert verifier.judge("b")["exit_code"] == 20


@pytest.mark.parametrize("answer", [None, {}, ["x"], [{"data": "0x00"}], [{"data": 1}]])
def test_events_that_are_none_are_no_hints(verifier: Verifier, answer: Any) -> None:
    verifier.node.bend["eth_getLogs"] = lambda *_: answer
    assert verifier.judge("b")["exit_code"] == 20


def test_an_open_log_is_said_to_be_one(verifier: Verifier) -> None:
    verifier.site = successor(verifier.site)
    page = verifier.judge("d")
    assert page["exit_code"] == 0
    assert Message("anchor-not-abandoned", block="") in ninth(page)
