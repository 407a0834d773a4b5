"""A transaction is shown only by what connects it with the anchor, at enough nodes that agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from support.world import INDEX, MAIN, REGISTRY, SIZE, World, hash_of, judged

from anchor.base.errors import NodeRefusedError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.chain.anchoring_transaction import ShownTransaction, find_transaction
from anchor.chain.node import Node
from anchor.chain.node_quorum import NodeGroup
from anchor.receipt.format import encode_receipt
from anchor.registry.event_topics import ANCHORED
from anchor.verification.report import ProvenAnchor

TX, OTHER = hash_of("transaction"), hash_of("another")


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


@pytest.fixture(scope="module")
def proven() -> ProvenAnchor:
    world = World()
    receipt = encode_receipt(world.receipt(INDEX, world.anchor(INDEX, SIZE)))
    report = judged(world, receipt, evidence=world.evidence(INDEX), policy=world.policy())
    assert report.leading is not None
    return report.leading


@dataclass
class OneBlock:
    """A node's connection to one block, with the event of an anchor and its transaction."""

    name: str
    event: dict[str, Any]
    receipt: dict[str, Any] | None
    number: int
    events: list[dict[str, Any]] | None = None
    is_refusing: bool = False

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        if method == "eth_getBlockByNumber":
            assert params[0] == hex(self.number)
            return {
                "number": hex(self.number),
                "hash": _hex(hash_of("block", MAIN, self.number)),
                "timestamp": "0x6ab00000",
            }
        if method == "eth_getLogs":
            if self.is_refusing:
                raise NodeRefusedError(Message("node-retry-hint"), reason="pruned", code=-32000)
            return [self.event] if self.events is None else self.events
        assert method == "eth_getTransactionReceipt"
        return self.receipt

    def close(self) -> None:
        pass


def one_block(proven: ProvenAnchor, name: str = "node", *, tx: Hash32 = TX) -> OneBlock:
    number = proven.anchor.block_number
    block_hash = _hex(hash_of("block", MAIN, number))
    words = (proven.anchor.size, proven.anchor.sequence, 0)
    return OneBlock(
        name=name,
        number=number,
        event={
            "address": _hex(REGISTRY),
            "topics": [_hex(ANCHORED), _hex(proven.log), _hex(proven.root)],
            "data": _hex(b"".join(word.to_bytes(32, "big") for word in words)),
            "blockHash": block_hash,
            "transactionHash": _hex(tx),
        },
        receipt={
            "transactionHash": _hex(tx),
            "blockHash": block_hash,
            "blockNumber": hex(number),
            "status": "0x1",
            "gasUsed": "0x5208",
        },
    )


def test_the_transaction_is_named_with_the_node_that_shows_it(proven: ProvenAnchor) -> None:
    shown = find_transaction(Node(one_block(proven)), proven)
    assert shown == ShownTransaction(hash=TX, nodes=("node",))


def change_event(name: str, value: object) -> Callable[[OneBlock], object]:
    return lambda node: node.event.update({name: value})


def change_receipt(name: str, value: object) -> Callable[[OneBlock], object]:
    return lambda node: (node.receipt or {}).update({name: value})


BENDS: dict[str, Callable[[OneBlock], object]] = {
    "another contract": change_event("address", _hex(b"\1" * 20)),
    "another event": lambda node: node.event["topics"].__setitem__(0, _hex(OTHER)),
    "another log": lambda node: node.event["topics"].__setitem__(1, _hex(OTHER)),
    "another root": lambda node: node.event["topics"].__setitem__(2, _hex(OTHER)),
    "another size": lambda node: change_event("data", node.event["data"].replace("9", "8"))(node),
    "another sequence": lambda node: change_event("data", node.event["data"].replace("2", "3"))(
        node
    ),
    "more data": lambda node: change_event("data", node.event["data"] + "00")(node),
    "another block": change_event("blockHash", _hex(OTHER)),
    "no hash": change_event("transactionHash", None),
    "a list for a hash": change_event("transactionHash", []),
    "half a hash": change_event("transactionHash", "0x00"),
    "two transactions": lambda node: setattr(
        node, "events", [node.event, {**node.event, "transactionHash": _hex(OTHER)}]
    ),
    "no events": lambda node: setattr(node, "events", []),
    "null": lambda node: setattr(node, "events", [None]),
    "refused": lambda node: setattr(node, "is_refusing", True),
    "no receipt": lambda node: setattr(node, "receipt", None),
    "it failed": change_receipt("status", "0x0"),
    "it is in another block": change_receipt("blockHash", _hex(OTHER)),
    "the receipt is of another": change_receipt("transactionHash", _hex(OTHER)),
}


@pytest.mark.parametrize("bend", BENDS)
def test_what_does_not_connect_it_with_the_anchor_shows_nothing(
    bend: str, proven: ProvenAnchor
) -> None:
    node = one_block(proven)
    BENDS[bend](node)
    assert find_transaction(Node(node), proven) is None


@pytest.mark.parametrize(
    ("others", "names"),
    [
        ((TX,), ("a", "b")),
        ((TX, None), ("a", "b")),
        ((OTHER,), None),
        ((TX, OTHER), None),
        ((None,), None),
    ],
)
def test_as_many_nodes_as_have_to_agree_show_the_same(
    others: tuple[Hash32 | None, ...], names: tuple[str, ...] | None, proven: ProvenAnchor
) -> None:
    transports = [one_block(proven, "a")]
    for name, tx in zip("bc", others, strict=False):
        transports.append(one_block(proven, name, tx=tx or TX))
        transports[-1].is_refusing = tx is None
    group = NodeGroup(
        [Node(each) for each in transports],
        needed=2,
        chain_id=MAIN,
        genesis=None,
        report=lambda _: None,
    )
    shown = find_transaction(group, proven)
    assert shown == (None if names is None else ShownTransaction(hash=TX, nodes=names))
