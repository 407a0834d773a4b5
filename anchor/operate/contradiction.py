"""When the chain contradicts the store: the one rule of daemon, service, status and every run.

Pure: whoever has read the registry asks here what it means.  Who has to agree on what was read, and
what is done about a contradiction, is for the callers.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.chain.registry_reader import NewestRoot
from anchor.store.heads import AnchoredHead, AnchorPosition
from anchor.types import Anchor, Block, Head


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalReading:
    """What the registry holds of a final anchor's root (``stored``) in a final block."""

    anchored: AnchoredHead
    stored: Anchor | None
    final: Block


def is_moved(reading: FinalReading) -> bool:
    """Return whether a final anchor is not where it was.

    A final block that is older than the anchor's says nothing of it, and so contradicts nothing.
    """
    return not is_behind(reading.final, reading.anchored) and not is_in_place(reading)


def is_refuted(stored: NewestRoot, head: Head | None) -> bool:
    """Return whether the log is closed, or its newest root is of no ``head`` of ours.

    A head that is merely older than the store's contradicts nothing: the node lags, or has to be
    asked of a final block.
    """
    return stored.is_closed or (stored.root is not None and head is None)


def is_in_place(reading: FinalReading) -> bool:
    """Return whether the registry has the anchor in the same block as the store."""
    return reading.stored is not None and place_of(reading.stored) == place_of(reading.anchored)


def place_of(anchor: Anchor | AnchoredHead) -> AnchorPosition:
    """Return where an anchor is."""
    return AnchorPosition(
        sequence=anchor.sequence, block_number=anchor.block_number, timestamp=anchor.timestamp
    )


def is_behind(final: Block, place: AnchorPosition | AnchoredHead) -> bool:
    """Return whether block ``final`` is older than the anchor's, so that it proves nothing."""
    # By the time first: the registry's numbers may be a parent chain's.
    return (final.timestamp, final.number) < (place.timestamp, place.block_number)
