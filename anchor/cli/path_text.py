"""A leaf's path and a consistency proof, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from anchor.base.messages.message import Message
from anchor.monitor.log_lookup import HeadConsistency, LeafPosition
from anchor.store.heads import AnchoredHead
from anchor.verification.explanation import describe_path


def draw_path(position: LeafPosition, *, is_by_depth: bool) -> Iterator[str]:
    """Yield the path from a leaf up to the root, step by step, and the conclusion.

    ``is_by_depth`` is whether a number of blocks, and not the nodes, decides what is final.
    """
    yield Message("path-leaf", index=position.index, leaf=position.leaf.hex())
    yield from describe_path(position.steps)
    yield Message("path-verified", size=position.head.size)
    yield _describe_anchoring(position.anchored, is_by_depth=is_by_depth)


def _describe_anchoring(anchored: AnchoredHead | None, *, is_by_depth: bool) -> Message:
    """Return a sentence on whether and in which block a head is anchored."""
    if anchored is None:
        return Message("head-not-anchored")
    location = Message("anchor-in-block", sequence=anchored.sequence, block=anchored.block_number)
    if anchored.final and is_by_depth:
        return Message("head-anchored-by-depth", location=location)
    if anchored.final:
        return Message("head-anchored", location=location)
    return Message("head-included", location=location)


def draw_extension(extension: HeadConsistency) -> Iterator[Message]:
    """Yield lines with two heads and the hashes of the consistency proof between them."""
    for head in (extension.old, extension.new):
        yield Message("extension-head", size=head.size, root=head.root.hex())
    for number, node in enumerate(extension.proof, start=1):
        yield Message("extension-hash", number=number, hash=node.hex())
    yield Message("extension-verified", size=extension.old.size)
