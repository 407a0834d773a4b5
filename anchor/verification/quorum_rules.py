"""The rules for quorums of nodes: the same for operators, verifiers and trust policies."""

from __future__ import annotations

from collections.abc import Sequence

from anchor.base.messages.message import Message
from anchor.base.system.urls import are_distinct

MAX_NODES = 16
"""The largest number of nodes that are asked at once."""


def find_conflict(urls: Sequence[str], needed: int) -> Message | None:
    """Return why these nodes cannot form a quorum, as the end of a sentence; None if they can.

    One node under two URLs would agree with itself. No rule can detect two nodes of one operator.
    """
    if needed < 1:
        return Message("quorum-below-one", quorum=needed)
    if len(urls) > MAX_NODES:
        return Message("quorum-too-many-nodes", count=len(urls), limit=MAX_NODES)
    if not are_distinct(urls):
        return Message("quorum-node-named-twice")
    if needed > len(urls):
        return Message("quorum-above-node-count", count=len(urls), quorum=needed)
    return None


def verifier_quorum(count: int) -> int:
    """Return how many of a verifier's nodes have to agree by default: two."""
    return max(1, min(2, count))


def operator_quorum(count: int) -> int:
    """Return how many of an operator's nodes have to agree by default: more than half."""
    return count // 2 + 1
