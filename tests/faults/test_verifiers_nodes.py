"""A verifier's nodes that are down, lag, fork or lie delay a verdict, and never falsify one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.bent_nodes import Bend, BentNode, bent_node
from support.command import Ran, run_anchor
from support.nodes import ask, other_chain, stop_the_clock
from support.projects import Site, make_site

from anchor.chain.devnet import Devnet
from anchor.chain.verifier_nodes import Nodes
from anchor.ethereum.header import parse_header
from anchor.evidence.file_hashing import digest_file
from anchor.log.merkle import hash_leaf
from anchor.project.files import RECEIPT_SUFFIX
from anchor.receipt.format import parse_receipt
from anchor.registry.storage import successor_slot
from anchor.verification.policy import parse_policy
from anchor.verification.verifier import judge


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
            connect=Nodes(urls, quorum, lambda _: ((), 1), lambda _: None).connect,
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
    # A block between two questions puts a node behind the others, and its lie is then not heard.
    stop_the_clock(site.url)
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
    successors = "0x" + successor_slot(parse_receipt(court.receipt.read_bytes()).log).hex()
    for node in court.nodes:
        # Beside a proof, only whether the log was closed since.
        slots = {params[1] for params in node.asked("eth_getStorageAt")}
        assert (slots == {successors}) == (court.agreed == "proof")
    shown = court.verify()
    assert f"agree: assurance {court.agreed}" in shown.out
    assert all(node.url.partition("//")[2] in shown.out for node in court.nodes)


def test_a_quorum_that_cannot_be_is_bad_usage(court: Court) -> None:
    assert court.verify("--quorum", "4").code == 2
    assert court.verify("--rpc", court.nodes[0].url).code == 2


def no_storage(*_: object) -> str:
    return "0x" + "00" * 32


def other_storage(_: object, right: str) -> str:
    return f"0x{int(right, 16) + (1 << 60):064x}"


def no_code(*_: object) -> str:
    return "0x"


def mainnet(*_: object) -> str:
    return "0x1"


def nothing(*_: object) -> None:
    return None


def fork(_: object, right: dict[str, object] | None) -> object:
    return right and {**right, "hash": "0x" + "f0" * 32}


def syncing(*_: object) -> object:
    return {"startingBlock": "0x0"}


# Who agrees on the final block and differs in what is in it makes it 20; who is on another chain,
# syncing, or says nothing, is left out.  A state proof asks for nothing but blocks.
LIES: list[tuple[str, str, Bend, int, int]] = [
    ("storage", "eth_getStorageAt", no_storage, 0, 20),
    ("other", "eth_getStorageAt", other_storage, 0, 20),
    ("code", "eth_getCode", no_code, 0, 20),
    ("chain", "eth_chainId", mainnet, 0, 0),
    ("none", "eth_getBlockByNumber", nothing, 0, 0),
    ("syncing", "eth_syncing", syncing, 0, 0),
    ("fork", "eth_getBlockByNumber", fork, 0, 0),
]


@pytest.mark.fault(
    "E10",
    how="one of a verifier's three nodes is down, says what is not so, or is on another chain",
    then="left out and named, or cannot check (20); never verified by a lie, nor refused",
)
@pytest.mark.parametrize(("method", "bend", "proven", "read"), [lie[1:] for lie in LIES],
                         ids=[lie[0] for lie in LIES])  # fmt: skip
@pytest.mark.parametrize("liar", [0, 1, 2])
def test_one_node_that_lies_falsifies_no_verdict(
    court: Court, liar: int, method: str, bend: Bend, proven: int, read: int
) -> None:
    court.nodes[liar].bend[method] = bend
    expected = proven if court.agreed == "proof" else read
    assert court.verdict() == (expected, None if expected else court.agreed)


@pytest.mark.fault(
    "E10",
    how="one of a verifier's three nodes denies an anchor that is not final yet",
    then="not final (21), as the others say; never refused",
)
@pytest.mark.parametrize("quorum", [2, 3])
@pytest.mark.parametrize("liar", [0, 1, 2])
def test_one_node_refuses_nothing_that_is_only_not_final(
    court: Court, anchored: Site, liar: int, quorum: int
) -> None:
    block = json.loads(court.receipt.read_bytes())["anchors"][0]["block_number"]
    for node in court.nodes:
        # To all of them the anchor's block is the newest, and the one before it is final.
        node.bend["eth_getBlockByNumber"] = partial(at_block, anchored.url, block)
    assert court.verdict(quorum) == (21, None)
    court.nodes[liar].bend["eth_getStorageAt"] = no_storage
    assert court.verdict(quorum) == (21, None)
    court.nodes[liar].bend["eth_getBlockByNumber"] = partial(at_block, anchored.url, block - 1)
    assert court.verdict(quorum)[0] in (20, 21)
    court.nodes[liar].down = True
    assert court.verdict(quorum)[0] == (21 if quorum == 2 else 20)


def at_block(url: str, newest: int, params: list[Any], right: Any) -> Any:
    """Answer as a node whose newest block is ``newest``, and whose final one is before it."""
    number = {"latest": newest, "finalized": newest - 1}.get(params[0])
    if number is None:
        return right if int(params[0], 16) <= newest else None
    return ask(url, "eth_getBlockByNumber", hex(number), False)


def test_what_is_final_by_one_rule_is_not_final_by_another(court: Court, anchored: Site) -> None:
    """Two entries of one policy about the same nodes, one of which counts no blocks at all."""
    text = court.policy.read_text()
    entry = text[text.index("[[trust]]") :]
    loose = re.sub("finality = .*", "finality = 0", entry)
    block = json.loads(court.receipt.read_bytes())["anchors"][0]["block_number"]
    for node in court.nodes:
        node.bend["eth_getBlockByNumber"] = partial(at_block, anchored.url, block)
    for order in (f"{loose}\n{entry}", f"{entry}\n{loose}"):
        court.policy.write_text(text.replace(entry, order))
        assert court.verdict()[0] == 21


@pytest.mark.parametrize("spelling", ["{}/", "{}", "{}//"])
def test_one_node_does_not_agree_with_itself(court: Court, spelling: str) -> None:
    url = court.nodes[0].url
    assert court.ask(url, spelling.format(url)).code == 2
    assert court.ask(url, url.replace("127.0.0.1", "127.1")).code == 2
    again = f'rpc = ["{url}", "{spelling.format(url)}"]'
    court.policy.write_text(re.sub("rpc = .*", again, court.policy.read_text()))
    ran = court.ask()
    assert ran.code == 2
    assert "agree with itself" in ran.err


def test_a_report_names_the_nodes_that_were_asked_for_it(court: Court) -> None:
    """Of two files, the second is proven by a block that is named: only its log's end is asked."""
    state = parse_receipt(court.receipt.read_bytes()).anchors[0].state
    if state is None:
        return
    other = court.file.with_name("b.txt")
    other.write_bytes(court.file.read_bytes())
    document = json.loads(court.receipt.read_bytes())
    del document["anchors"][0]["state"]
    other.with_name(other.name + RECEIPT_SUFFIX).write_text(json.dumps(document))
    named = "0x" + parse_header(state.header).hash.hex()
    words = ("--trust", court.policy, "--rpc", court.anvil.url, "--block-hash", named)
    ran = run_anchor("verify", other, court.file, *words, cwd=court.file.parent).expect(0)
    first, second = ran.out.split(f"{court.file}\n")
    assert "Asked: " in first
    assert "Asked: " in second
    assert "for which only you vouch" in second


def test_a_policys_quorum_is_never_lowered(court: Court) -> None:
    text = re.sub("quorum = .*", "quorum = 3", court.policy.read_text())
    urls = ", ".join(f'"{node.url}"' for node in court.nodes)
    court.policy.write_text(re.sub("rpc = .*", f"rpc = [{urls}]", text))
    assert court.verdict(1) == (0, court.agreed)
    court.nodes[2].down = True
    assert court.verdict(1) == (20, None)
    assert court.verdict(2) == (20, None)
    # Without a word about it two of several have to agree.
    court.policy.write_text(court.policy.read_text().replace("quorum = 3\n", ""))
    (entry,) = parse_policy(court.policy.read_bytes()).entries
    assert entry.quorum == 2
    assert court.ask().code == 0


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
    assert "requires assurance 'quorum', but only 'rpc'" in ran.out
    assert court.verdict(nodes=2) == (0, court.agreed)


def test_nodes_on_two_chains_give_no_verdict(court: Court) -> None:
    with other_chain(1) as other:
        assert court.ask(court.anvil.url, other).code == 20
