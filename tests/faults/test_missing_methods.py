"""Nodes without some method: what is asked instead, and what is never taken for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.bent_nodes import Bend, BentNode, Refused, bent_node
from support.projects import Site, reading

from anchor.base.errors import CannotCheckError, NodeFaultError, NodeRefusedError
from anchor.base.types import Hash32
from anchor.chain.devnet import DEV_ADDRESS, Devnet
from anchor.chain.node import Node
from anchor.project.config import load_config
from anchor.registry.storage import head_slot

GWEI = 10**9
TIP, HISTORY, PRICE = "eth_maxPriorityFeePerGas", "eth_feeHistory", "eth_gasPrice"
BY_HASH = ("eth_getCode", "eth_getStorageAt", "eth_getTransactionCount", "eth_getProof")


@pytest.fixture
def bent(anvil: Devnet) -> Iterator[BentNode]:
    with bent_node(anvil.url) as node:
        yield node


@pytest.fixture
def node(bent: BentNode) -> Iterator[Node]:
    with reading(bent.url) as found:
        yield found


def instead(result: Any) -> Bend:
    return lambda params, right: result


def missing(code: int = -32601) -> Bend:
    def bend(params: list[Any], right: Any) -> Any:
        raise Refused(code, "Method not found")

    return bend


def takes_strings_only(params: list[Any], right: Any) -> Any:
    if isinstance(params[-1], dict):
        raise Refused(-32602, "invalid argument 1: argument must be a string")
    return right


# Tips


@pytest.mark.parametrize("code", [-32601, -32004])
def test_a_tip_is_what_others_paid_where_the_node_suggests_none(
    bent: BentNode, node: Node, code: int
) -> None:
    bent.bend[TIP] = missing(code)
    bent.bend[HISTORY] = instead({"reward": [["0x0"], ["0x7"], ["0x3"], ["0x5"]]})
    assert node.fetch_priority_fee(7 * GWEI) == 5
    bent.bend[PRICE] = instead(hex(100 * GWEI))
    expected = 93 * GWEI
    bent.bend[HISTORY] = instead({"reward": [["0x0"], ["0x0"]]})
    assert node.fetch_priority_fee(7 * GWEI) == expected, "nobody sent anything"
    bent.bend[HISTORY] = missing(-32602)
    assert node.fetch_priority_fee(7 * GWEI) == expected
    bent.bend[PRICE] = instead("0x1")
    assert node.fetch_priority_fee(7 * GWEI) == 0, "never below nothing"


@pytest.mark.parametrize(
    "answer", [None, {}, {"reward": None}, {"reward": [[]]}, {"reward": [["0x1", "0x2"]]},
               {"reward": [[-1]]}, {"reward": ["0x1"]}],
)  # fmt: skip
def test_a_malformed_history_is_the_nodes_fault(bent: BentNode, node: Node, answer: Any) -> None:
    bent.bend[TIP] = missing()
    bent.bend[HISTORY] = instead(answer)
    with pytest.raises(NodeFaultError, match="eth_feeHistory"):
        node.fetch_priority_fee(7 * GWEI)


def test_a_tip_that_is_refused_for_another_reason_is_not_made_up(
    bent: BentNode, node: Node
) -> None:
    bent.bend[TIP] = missing(-32000)
    with pytest.raises(NodeRefusedError):
        node.fetch_priority_fee(7 * GWEI)
    assert not bent.asked(HISTORY)


# Blocks by number


def facts(node: Node, site: Site, block: Hash32) -> tuple[Any, ...]:
    config = load_config(site.folder / "anchor.toml")
    slots = (head_slot(config.log),)
    proof = node.fetch_state_proof(config.registry, slots, block, lambda found: found)
    return (
        node.fetch_code_hash(config.registry, block),
        node.fetch_storage(config.registry, head_slot(config.log), block),
        node.fetch_nonce(DEV_ADDRESS, block),
        proof,
    )


@pytest.mark.fault(
    "E8",
    how="the node takes block numbers only, where EIP-1898 has it take hashes",
    then="asked by number, the hash checked before and after; another hash then is 20",
)
def test_a_node_that_takes_no_hashes_is_asked_by_number(site: Site, bent: BentNode) -> None:
    site.add("a.txt", b"a")
    site.anchor()
    with reading(site.url) as honest, reading(bent.url) as node:
        latest = honest.fetch_block("latest")
        assert latest is not None
        expected = facts(honest, site, latest.hash)
        bent.bend |= dict.fromkeys(BY_HASH, takes_strings_only)
        assert facts(node, site, latest.hash) == expected
        last = [params[-1] for name, params in bent.calls if name in BY_HASH]
        refused = sum(isinstance(each, dict) for each in last)
        assert refused == 2, "once for proofs and once for all else is enough to know it"

        # The chain is another one between the question and the look afterwards.
        looks = iter((True, False))
        bent.bend["eth_getBlockByNumber"] = lambda params, right: (
            right if next(looks, False) else right | {"hash": "0x" + "f0" * 32}
        )
        config = load_config(site.folder / "anchor.toml")
        with pytest.raises(NodeFaultError, match="has a different block"):
            node.fetch_storage(config.registry, head_slot(config.log), latest.hash)


def test_a_block_that_is_not_known_is_not_asked_for_by_number(bent: BentNode, node: Node) -> None:
    with pytest.raises(CannotCheckError):
        node.fetch_code(DEV_ADDRESS, Hash32(b"\x17" * 32))
    assert [params[-1] for params in bent.asked("eth_getCode")] == [
        {"blockHash": "0x" + "17" * 32, "requireCanonical": True}
    ]


# Words and syncing


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("0x", bytes(32)),
        ("0x2a", bytes(31) + b"\x2a"),
        ("0x" + "ab" * 31, b"\x00" + b"\xab" * 31),
        ("0x" + "00" * 32, bytes(32)),
    ],
)
def test_a_word_without_its_zeros_in_front_is_taken_as_ganache_means_it(
    bent: BentNode, node: Node, answer: str, expected: bytes
) -> None:
    bent.bend["eth_getStorageAt"] = instead(answer)
    assert node.fetch_storage(DEV_ADDRESS, Hash32(bytes(32)), "latest") == expected


@pytest.mark.parametrize("answer", ["0x0", "0x002a", "0x00", "0x" + "ab" * 33, "", None, 0])
def test_other_short_words_are_the_nodes_fault(bent: BentNode, node: Node, answer: Any) -> None:
    bent.bend["eth_getStorageAt"] = instead(answer)
    with pytest.raises(NodeFaultError):
        node.fetch_storage(DEV_ADDRESS, Hash32(bytes(32)), "latest")


@pytest.mark.parametrize(
    ("answer", "expected"), [(False, False), (True, True), ({"currentBlock": "0x1"}, True)]
)
def test_a_node_says_that_it_is_syncing_or_not(
    bent: BentNode, node: Node, answer: Any, expected: bool
) -> None:
    bent.bend["eth_syncing"] = instead(answer)
    assert node.is_syncing() is expected


@pytest.mark.fault(
    "E8",
    how="eth_syncing is answered with null, a number, a text or a list",
    then="cannot check (20) as the node's fault, and not as one that is syncing",
)
@pytest.mark.parametrize("answer", [None, 0, 1, "false", []])
def test_what_says_neither_is_the_nodes_fault(bent: BentNode, node: Node, answer: Any) -> None:
    bent.bend["eth_syncing"] = instead(answer)
    with pytest.raises(NodeFaultError, match="eth_syncing with neither"):
        node.is_syncing()
