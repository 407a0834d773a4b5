"""What the registry holds of a log in one block, read from its storage."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.chain.node import BlockId, Node
from anchor.errors import NodeFaultError
from anchor.registry.storage import (
    CLOSED_HEAD,
    anchor_slot,
    decode_anchor,
    head_slot,
    last_head_slot,
)
from anchor.types import Address, Anchor, Hash32, LogId


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryHead:
    """A log's newest anchor in one block; ``is_closed`` once the log has a successor."""

    root: Hash32
    anchor: Anchor
    is_closed: bool


class RegistryReader:
    """Reads what the registry's storage holds of one log, by whichever node a call names."""

    def __init__(self, registry: Address, log: LogId) -> None:
        self._registry = registry
        self._log = log

    def head(self, node: Node, block: BlockId) -> RegistryHead | None:
        """Return the log's newest anchor in ``block``, also of a closed log.

        None before the first anchor.
        """
        root = self._fetch(node, head_slot(self._log), block)
        is_closed = root == CLOSED_HEAD
        if is_closed:
            root = self._fetch(node, last_head_slot(self._log), block)
        if not any(root):
            return None
        anchor = self.anchor(node, root, block)
        if anchor is None:
            raise NodeFaultError(f"the node {node.name} shows the head, but not its anchor")
        return RegistryHead(root=root, anchor=anchor, is_closed=is_closed)

    def anchor(self, node: Node, root: Hash32, block: BlockId) -> Anchor | None:
        """Return the anchor of ``root`` in ``block``; None where the registry has none."""
        return decode_anchor(self._fetch(node, anchor_slot(self._log, root), block))

    def _fetch(self, node: Node, slot: Hash32, block: BlockId) -> Hash32:
        return node.fetch_storage(self._registry, slot, block)
