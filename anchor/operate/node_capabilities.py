"""Optional node features that anchoring can use, and the consequences of a missing one."""

from __future__ import annotations

from anchor.base.errors import CannotCheckError, NodeRefusedError, UnknownVersionError
from anchor.base.messages.message import Message, join
from anchor.chain.node import Node
from anchor.project.config import Config
from anchor.registry.storage import head_slot


def describe_offers(config: Config, node: Node) -> tuple[Message, Message | None]:
    """Return the features of the node, and what receipts or readings lack without others."""
    latest = node.fetch_latest()
    offered: list[Message] = []
    lacking: Message | None = None
    node.fetch_code(config.registry, latest.hash)
    if node.takes_hashes:
        offered.append(Message("node-offers-blocks-by-hash"))
    else:
        offered.append(Message("node-offers-blocks-by-number"))
    try:
        node.rpc.call("eth_maxPriorityFeePerGas")
        offered.append(Message("node-offers-tips"))
    except NodeRefusedError:
        offered.append(Message("node-offers-tips-by-history"))
    try:
        # Only the answer counts: the proof is verified whenever a receipt is made.
        slots = (head_slot(config.log),)
        node.fetch_state_proof(config.registry, slots, latest.hash, lambda proof: proof)
        offered.append(Message("node-offers-state-proofs"))
    except (CannotCheckError, UnknownVersionError) as error:
        lacking = Message("node-lacks-state-proofs", reason=error.message)
    return join(offered), lacking
