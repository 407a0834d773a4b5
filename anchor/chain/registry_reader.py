"""What the registry holds of a log in one block, read from its storage."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.chain.node import BlockId, Node
from anchor.errors import NodeFaultError
from anchor.project.config import Config
from anchor.registry.storage import (
    CLOSED_HEAD,
    anchor_slot,
    decode_anchor,
    head_slot,
    last_head_slot,
)
from anchor.types import Anchor, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryHead:
    """A log's newest anchor in one block; ``is_closed`` once the log has a successor."""

    root: Hash32
    anchor: Anchor
    is_closed: bool


def fetch_head(config: Config, node: Node, block: BlockId) -> RegistryHead | None:
    """Return the log's newest anchor in ``block``, also of a closed log; None before the first."""
    root = node.fetch_storage(config.registry, head_slot(config.log), block)
    is_closed = root == CLOSED_HEAD
    if is_closed:
        root = node.fetch_storage(config.registry, last_head_slot(config.log), block)
    if not any(root):
        return None
    anchor = fetch_anchor(config, node, root, block)
    if anchor is None:
        raise NodeFaultError(f"the node {node.name} shows the head, but not its anchor")
    return RegistryHead(root=root, anchor=anchor, is_closed=is_closed)


def fetch_anchor(config: Config, node: Node, root: Hash32, block: BlockId) -> Anchor | None:
    """Return what the registry holds of ``root`` in ``block``."""
    return decode_anchor(node.fetch_storage(config.registry, anchor_slot(config.log, root), block))
