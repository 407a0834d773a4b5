"""The audit of one's own log goes by what enough nodes say; an old final block tells nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from support.bent_nodes import Bend, BentNode, bent_node
from support.nodes import ask, nonce
from support.projects import Site

from anchor.chain.devnet import Devnet
from anchor.project.nodes import open_chain
from anchor.recovery.chain_audit import audit_chain

ZERO = "0x" + "00" * 32


@dataclass
class Audited:
    """A project of two final anchors whose three nodes are one anvil, seen through bent ones."""

    site: Site
    nodes: list[BentNode]

    def audit(self, *urls: BentNode) -> Any:
        """Audit by these nodes, the first of which is read."""
        chosen = urls or tuple(self.nodes)
        environment = {
            "ANCHOR_CHAIN__RPC": chosen[0].url,
            "ANCHOR_CHAIN__WITNESSES": json.dumps([node.url for node in chosen[1:]]),
        }
        return self.site.run("audit", "--json", env=environment)

    def found(self, *urls: BentNode) -> tuple[int, list[str], str]:
        ran = self.audit(*urls)
        told = json.loads(ran.out)
        return ran.code, told["breaches"], told["chain"].get("reason", "")


@pytest.fixture
def audited(new_site: Callable[..., Site], own_anvil: Devnet) -> Iterator[Audited]:
    site = new_site(own_anvil)
    for name in ("a.txt", "b.txt"):
        site.add(name, name.encode())
        site.anchor()
    ask(site.url, "anvil_mine", "0x10")
    assert "2 leaves, anchor 2" in site.run("status").out
    with ExitStack() as stack:
        yield Audited(site, [stack.enter_context(bent_node(site.url)) for _ in range(3)])


def test_one_node_does_not_count_what_others_used(audited: Audited) -> None:
    """A nonce that was reserved far ahead leaves a gap, of which one node says that it is used."""
    used = nonce(audited.site.url)
    with closing(sqlite3.connect(audited.site.folder / "anchor.db")) as store, store:
        store.execute(
            "INSERT INTO slots (chain_id, sender, nonce, reserved_at)"
            " SELECT chain_id, sender, ?, reserved_at FROM slots LIMIT 1",
            [used + 5],
        )
    audited.nodes[0].bend["eth_getTransactionCount"] = lambda params, right: hex(used + 30)
    counts = []
    for nodes in (audited.nodes, audited.nodes[:1]):
        with audited.site.lead() as project:
            config = replace(
                project.config,
                rpc=nodes[0].url,
                witnesses=tuple(node.url for node in nodes[1:]),
                quorum=min(2, len(nodes)),
            )
            chain = open_chain(config, lambda _: None)
            counts.append(audit_chain(project, chain).foreign_nonces)
    assert counts == [0, 5]


def instead(result: Any) -> Bend:
    return lambda params, right: result


def first_block(behind: str, tag: str = "finalized") -> Bend:
    def bend(params: list[Any], right: Any) -> Any:
        if params[0] != tag:
            return right
        return ask(behind, "eth_getBlockByNumber", "0x1", False)

    return bend


LIES: dict[str, dict[str, Bend]] = {
    "zero words": {"eth_getStorageAt": instead(ZERO)},
    "other words": {"eth_getStorageAt": instead("0x" + "ab" * 32)},
    "no code": {"eth_getCode": instead("0x")},
    "other code": {"eth_getCode": instead("0x6001")},
    "nonce 0": {"eth_getTransactionCount": instead("0x0")},
    "null": {"eth_getStorageAt": instead(None)},
}


@pytest.mark.fault(
    "E10",
    how="one of three nodes, read or not, lies to `anchor audit` about storage, code or a nonce",
    then="no breach that others do not see: cannot check (20), naming it, or 0 without it",
)
@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("lie", LIES)
def test_one_node_invents_no_breach(audited: Audited, lie: str, place: int) -> None:
    audited.nodes[place].bend = LIES[lie]
    code, breaches, reason = audited.found()
    assert breaches == []
    assert code in (0, 20)
    if code == 20:
        assert "disagree" in reason or "differently from other nodes" in reason
    else:
        assert lie in ("no code", "other code", "nonce 0", "null", "other words")
    audited.nodes[place].bend = {}
    assert audited.found() == (0, [], "")


@pytest.mark.fault(
    "E10",
    how="two of three nodes do not show the anchors, and the one that is read does",
    then="cannot check (20): one node hides no breach either",
)
def test_one_node_hides_no_breach(audited: Audited) -> None:
    for node in audited.nodes[1:]:
        node.bend = LIES["zero words"]
    code, breaches, reason = audited.found()
    assert (code, breaches) == (20, [])
    assert "disagree" in reason
    for node in audited.nodes:
        node.bend = LIES["zero words"]
    code, breaches, _ = audited.found()
    assert code == 10, "what all say is a breach"
    assert any("the registry does not hold it" in breach for breach in breaches)


@pytest.mark.fault(
    "E3",
    how="the final block that one node, or all of them, name is older than final anchors",
    then="cannot check (20), and no breach",
)
@pytest.mark.parametrize("nodes", [1, 3])
def test_an_old_final_block_tells_nothing(audited: Audited, nodes: int) -> None:
    for node in audited.nodes:
        node.bend["eth_getBlockByNumber"] = first_block(audited.site.url)
    code, breaches, reason = audited.found(*audited.nodes[:nodes])
    assert (code, breaches) == (20, [])
    assert "calls block 1 final, but anchor 1 was seen final in block" in reason
