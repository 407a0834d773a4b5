"""Optional node features that anchoring can use, and the consequences of a missing one."""

from __future__ import annotations

from anchor.chain.node import Node
from anchor.errors import CannotCheckError, NodeRefusedError, UnknownVersionError
from anchor.project.config import Config
from anchor.registry.storage import head_slot


def describe_offers(config: Config, node: Node) -> tuple[str, str]:
    """Return the features that the node offers, and what receipts or readings lack without others.

    Raises:
        CannotCheckError: The node does not answer any more.
    """
    latest = node.fetch_latest()
    offered, lacking = [], []
    node.fetch_code(config.registry, latest.hash)
    if node.takes_hashes:
        offered.append("blocks by their hash")
    else:
        offered.append("blocks by their number, whose hash is looked at before and after")
    try:
        node.rpc.call("eth_maxPriorityFeePerGas")
        offered.append("tips")
    except NodeRefusedError:
        offered.append("tips by what others paid")
    try:
        # Only the answer counts: the proof is verified whenever a receipt is made.
        slots = (head_slot(config.log),)
        node.fetch_state_proof(config.registry, slots, latest.hash, lambda proof: proof)
        offered.append("state proofs")
    except (CannotCheckError, UnknownVersionError) as error:
        lacking.append(f"receipts go without state proofs: {error.message}")
    return ", ".join(offered), "; ".join(lacking)
