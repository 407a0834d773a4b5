"""When the chain contradicts the store: the one rule of daemon, service, status and every run.

Pure: whoever has read the registry asks here what it means.  Who has to agree on what was read, and
what is done about a contradiction, is for the callers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from anchor.chain.registry_reader import NewestRoot
from anchor.store.heads import AnchoredHead, AnchorPosition
from anchor.types import Anchor, Block, Head


class Contradiction(Enum):
    """What the chain holds against the store, the gravest first."""

    MOVED = "a final anchor is not where it was"
    CLOSED = "the log is closed"
    FOREIGN = "the log's head is not in the store"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalReading:
    """What the registry holds of a final anchor's root (``stored``) in a final block."""

    anchored: AnchoredHead
    stored: Anchor | None
    final: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadReading:
    """What the registry holds as the log's newest root, and which head of ours that is."""

    stored: NewestRoot
    head: Head | None


def contradiction_of(reading: FinalReading | HeadReading) -> Contradiction | None:
    """Return what a reading of the registry holds against the store, or None.

    A final block that is older than an anchor's says nothing of it, and so contradicts nothing;
    nor does a head that is merely older than the store's: the node lags, or has to be asked of a
    final block.
    """
    if isinstance(reading, FinalReading):
        if is_behind(reading.final, reading.anchored) or is_in_place(reading):
            return None
        return Contradiction.MOVED
    if reading.stored.is_closed:
        return Contradiction.CLOSED
    if reading.stored.root is not None and reading.head is None:
        return Contradiction.FOREIGN
    return None


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
