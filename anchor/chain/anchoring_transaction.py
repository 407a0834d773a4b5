"""The transaction that made an anchor, as nodes show it by the registry's event.

No verdict rests on it: nodes may have dropped events, and nothing but their word connects an event
with a transaction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.chain.node import Node
from anchor.registry.event_topics import ANCHORED, is_anchored_data
from anchor.verification.report import ProvenAnchor

_HASH = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTransaction:
    """A transaction's hash, and the names of the nodes that show what it did."""

    hash: Hash32
    nodes: tuple[str, ...]


def find_transaction(node: Node, proven: ProvenAnchor) -> ShownTransaction | None:
    """Return the transaction that made the anchor; None unless enough nodes show the same one.

    Shown means: in the anchor's block, it succeeded, and the registry reported this root, size and
    sequence of this log in it.
    """
    names: list[str] = []

    def read(each: Node) -> Hash32:
        tx_hash = _fetch(each, proven)
        names.append(each.name)
        return tx_hash

    try:
        tx_hash = node.read_with_quorum(read)
    except CannotCheckError:
        return None
    return ShownTransaction(hash=tx_hash, nodes=tuple(sorted(names)))


def _fetch(node: Node, proven: ProvenAnchor) -> Hash32:
    """Return the hash of the transaction that one node shows."""
    number = proven.anchor.block_number
    block = node.known(node.fetch_block(number), Message("block-by-number", number=number))
    shown = {
        "address": f"0x{proven.registry.hex()}",
        "topics": [f"0x{topic.hex()}" for topic in (ANCHORED, proven.log, proven.root)],
    }
    asked = {**shown, "fromBlock": hex(number), "toBlock": hex(number)}
    entries = node.rpc.call("eth_getLogs", [asked])
    # The node may have ignored the filter, or return what a reorganisation removed.
    hashes = {
        str(entry.get("transactionHash"))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
        and entry.get("blockHash") == f"0x{block.hash.hex()}"
        and str(entry.get("address")).lower() == shown["address"]
        and entry.get("topics") == shown["topics"]
        and is_anchored_data(str(entry.get("data")), proven.anchor)
    }
    named = hashes.pop() if len(hashes) == 1 else ""
    if not _HASH.fullmatch(named):
        raise CannotCheckError(Message("node-anchoring-not-shown", name=node.name, number=number))
    tx_hash = Hash32(bytes.fromhex(named[2:]))
    receipt = node.fetch_receipt(tx_hash)
    if receipt is None or not receipt.succeeded or receipt.block_hash != block.hash:
        raise CannotCheckError(Message("node-anchoring-not-shown", name=node.name, number=number))
    return tx_hash
