"""The rule for when the chain contradicts the store, shared by daemon, service and all commands.

Pure: callers pass what they read from the registry.  They also decide how many nodes have to agree
on a reading, and what to do about a contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.types import Anchor, Block, Head
from anchor.chain.registry_reader import NewestRoot
from anchor.store.heads import AnchoredHead, AnchorPosition


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalReading:
    """The registry's entry (``stored``) for a final anchor's root, read in a final block."""

    anchored: AnchoredHead
    stored: Anchor | None
    final: Block


def is_moved(reading: FinalReading) -> bool:
    """Return whether a final anchor has moved or is gone.

    A final block older than the anchor's shows nothing about it, and so contradicts nothing.
    """
    return not is_behind(reading.final, reading.anchored) and not is_in_place(reading)


def is_refuted(stored: NewestRoot, head: Head | None) -> bool:
    """Return whether the log is closed, or its newest root is not that of a head in the store.

    A head that is merely older than the store's contradicts nothing: the node lags, or a final
    block has to be read.
    """
    return stored.is_closed or (stored.root is not None and head is None)


def is_in_place(reading: FinalReading) -> bool:
    """Return whether the registry has the anchor in the same block as the store."""
    return reading.stored is not None and place_of(reading.stored) == place_of(reading.anchored)


def place_of(anchor: Anchor | AnchoredHead) -> AnchorPosition:
    """Return the position of an anchor: its block number and time."""
    return AnchorPosition(
        sequence=anchor.sequence, block_number=anchor.block_number, timestamp=anchor.timestamp
    )


def is_behind(final: Block, place: AnchorPosition | AnchoredHead) -> bool:
    """Return whether block ``final`` is older than the anchor's, and so proves nothing."""
    # Time is compared first: the registry's block numbers may be those of a parent chain.
    return (final.timestamp, final.number) < (place.timestamp, place.block_number)
