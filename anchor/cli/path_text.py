"""A leaf's path and a consistency proof, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from anchor.monitor.log_lookup import HeadConsistency, LeafPosition
from anchor.store.heads import AnchoredHead
from anchor.verification.explanation import describe_path


def draw_path(position: LeafPosition) -> Iterator[str]:
    """Yield the path from a leaf up to the root, step by step, and the conclusion."""
    yield f"leaf {position.index}: {position.leaf.hex()}"
    yield from describe_path(position.steps)
    yield f"That is the root of the head of {position.head.size:,} leaves: verified."
    yield describe_anchoring(position.anchored)


def describe_anchoring(anchored: AnchoredHead | None) -> str:
    """Return a sentence on whether and in which block a head is anchored."""
    if anchored is None:
        return "No anchor holds it yet."
    location = f"anchor {anchored.sequence}, block {anchored.block_number}"
    if anchored.final:
        return f"Anchored (final): {location}."
    return f"Included (reversible): {location}."


def draw_extension(extension: HeadConsistency) -> Iterator[str]:
    """Yield lines with two heads and the hashes of the consistency proof between them."""
    for head in (extension.old, extension.new):
        yield f"head of {head.size:>15,} leaves  {head.root.hex()}"
    for number, node in enumerate(extension.proof, start=1):
        yield f"{number:>20} hash    {node.hex()}"
    yield (
        f"Verified: the {extension.old.size:,} leaves of the first head are the first of the "
        "second (RFC 9162 section 2.1.4.2)."
    )
