"""A leaf's path and a proof between heads, drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from anchor.monitor.log_lookup import HeadConsistency, LeafPosition
from anchor.store.heads import AnchoredHead


def draw_path(position: LeafPosition) -> Iterator[str]:
    """Yield the way from a leaf up to the root, each step's hash below the one it is made of."""
    yield f"●  leaf {position.index:<12} {position.leaf.hex()}"
    for number, step in enumerate(position.steps, start=1):
        side = "left " if step.sibling_is_left else "right"
        kind = "root" if number == len(position.steps) else "node"
        yield "│"
        yield f"├─ {number:>2} {side}          {step.sibling.hex()}"
        yield f"●  {kind}              {step.node.hex()}"
    yield ""
    yield "Each step hashes 0x01 ‖ left ‖ right with SHA-256; the sibling stands on the side named."
    yield f"The root is that of the head of {position.head.size:,} leaves: verified."
    yield describe_anchoring(position.anchored)


def describe_anchoring(anchored: AnchoredHead | None) -> str:
    """Say in a sentence where a head stands on chain."""
    if anchored is None:
        return "No anchor holds it yet."
    location = f"anchor {anchored.sequence}, block {anchored.block_number}"
    if anchored.final:
        return f"Anchored (final): {location}."
    return f"Included (reversible): {location}."


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
