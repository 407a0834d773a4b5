"""Reads of a log's state in the registry as of one block, from the contract's storage."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import NodeFaultError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Anchor, Hash32, LogId
from anchor.chain.node import BlockId, Node
from anchor.registry.storage import (
    CLOSED_HEAD,
    anchor_slot,
    decode_anchor,
    decode_key,
    head_slot,
    last_head_slot,
    operator_id_slot,
    operator_key_slot,
    predecessor_slot,
    successor_slot,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryHead:
    """A log's newest anchor in one block; ``is_closed`` once the log has a successor."""

    root: Hash32
    anchor: Anchor
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestRoot:
    """A log's newest root in the registry; None before the first anchor and once it is closed."""

    root: Hash32 | None
    is_closed: bool


@dataclass(frozen=True, slots=True)
class RegistryReader:
    """A reader of one log's entries in the registry's storage; each call names the node to ask."""

    registry: Address
    log: LogId

    def head(self, node: Node, block: BlockId) -> RegistryHead | None:
        """Return the log's newest anchor as of ``block``, also of a closed log.

        The result is None before the first anchor.
        """
        newest = self.newest_root(node, block)
        root = newest.root
        if newest.is_closed:
            root = _as_root(self._fetch(node, last_head_slot(self.log), block))
        if root is None:
            return None
        anchor = self.anchor(node, root, block)
        if anchor is None:
            raise NodeFaultError(Message("node-head-without-anchor", name=node.name))
        return RegistryHead(root=root, anchor=anchor, is_closed=newest.is_closed)

    def newest_root(self, node: Node, block: BlockId) -> NewestRoot:
        """Return the log's newest root as of ``block``."""
        word = self._fetch(node, head_slot(self.log), block)
        is_closed = word == CLOSED_HEAD
        return NewestRoot(root=None if is_closed else _as_root(word), is_closed=is_closed)

    def anchor(self, node: Node, root: Hash32, block: BlockId) -> Anchor | None:
        """Return the anchor of ``root`` as of ``block``; None if the registry does not hold it."""
        return decode_anchor(self._fetch(node, anchor_slot(self.log, root), block))

    def agree_on_anchor(self, node: Node, root: Hash32, block: Hash32) -> Anchor | None:
        """Return the anchor of ``root`` as of a final block, on which enough nodes agree."""
        return node.read_with_quorum(lambda one: self.anchor(one, root, block))

    def operator_id(self, node: Node, key: Address, block: BlockId) -> int:
        """Return the operator id of ``key`` as of ``block``; 0 if the key may not anchor."""
        return int.from_bytes(self._fetch(node, operator_id_slot(self.log, key), block), "big")

    def operator_key(self, node: Node, operator_id: int, block: BlockId) -> Address | None:
        """Return the key with this operator id as of ``block``; None if the id is not assigned."""
        return decode_key(self._fetch(node, operator_key_slot(self.log, operator_id), block))

    def successor(self, node: Node, block: BlockId) -> LogId:
        """Return the log that continues this one; zero bytes while this one has no successor."""
        return LogId(self._fetch(node, successor_slot(self.log), block))

    def predecessor(self, node: Node, block: BlockId) -> LogId:
        """Return the log that this one continues; zero bytes if this one has no predecessor."""
        return LogId(self._fetch(node, predecessor_slot(self.log), block))

    def _fetch(self, node: Node, slot: Hash32, block: BlockId) -> Hash32:
        return node.fetch_storage(self.registry, slot, block)


def _as_root(word: Hash32) -> Hash32 | None:
    return word if any(word) else None
