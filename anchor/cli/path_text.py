"""A leaf's path and a proof between heads, drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anchor.monitor.log_lookup import HeadConsistency, LeafPosition
    from anchor.store.heads import AnchoredHead


def draw_path(place: LeafPosition) -> Iterator[str]:
    """Yield the way from a leaf up to the root, each step's hash below the one it is made of."""
    yield f"●  leaf {place.index:<12} {place.leaf.hex()}"
    for number, step in enumerate(place.steps, start=1):
        side = "left " if step.sibling_is_left else "right"
        what = "root" if number == len(place.steps) else "node"
        yield "│"
        yield f"├─ {number:>2} {side}          {step.sibling.hex()}"
        yield f"●  {what}              {step.node.hex()}"
    yield ""
    yield "Each step hashes 0x01 ‖ left ‖ right with SHA-256; the sibling stands on the side named."
    yield f"The root is that of the head of {place.head.size:,} leaves: verified."
    yield describe_anchoring(place.anchored)


def describe_anchoring(anchored: AnchoredHead | None) -> str:
    """Say in a sentence where a head stands on chain."""
    if anchored is None:
        return "No anchor holds it yet."
    place = f"anchor {anchored.sequence}, block {anchored.block_number}"
    if anchored.final:
        return f"Anchored (final): {place}."
    return f"Included (reversible): {place}."


def draw_extension(extension: HeadConsistency) -> Iterator[str]:
    """Yield two heads and the hashes of the proof between them."""
    for head in (extension.old, extension.new):
        yield f"head of {head.size:>15,} leaves  {head.root.hex()}"
    for number, node in enumerate(extension.proof, start=1):
        yield f"{number:>20} hash    {node.hex()}"
    yield (
        f"Verified: the {extension.old.size:,} leaves of the first head are the first of the "
        "second (RFC 9162 section 2.1.4.2)."
    )
