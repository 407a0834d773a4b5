"""What the chain holds against the store, by the one rule that every face of it goes by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anchor.chain.registry_reader import NewestRoot
from anchor.operate.contradiction import (
    Contradiction,
    FinalReading,
    HeadReading,
    contradiction_of,
)
from anchor.store.heads import AnchoredHead
from anchor.types import Anchor, Block, Hash32, Head

HEAD = Head(root=Hash32(b"\x11" * 32), size=3)
STORED = Anchor(size=3, sequence=1, block_number=100, timestamp=5_000, operator_id=0)
ANCHORED = AnchoredHead(
    head=HEAD,
    sequence=1,
    block_number=100,
    timestamp=5_000,
    final=True,
    tx_hash=None,
    block_hash=None,
)
FINAL = Block(number=120, hash=Hash32(b"\x22" * 32), timestamp=5_240)


@pytest.mark.parametrize(
    ("stored", "final", "found"),
    [
        (STORED, FINAL, None),
        (None, FINAL, Contradiction.MOVED),
        (replace(STORED, block_number=101), FINAL, Contradiction.MOVED),
        (replace(STORED, timestamp=5_012), FINAL, Contradiction.MOVED),
        (replace(STORED, sequence=2), FINAL, Contradiction.MOVED),
        # Older than the anchor: it tells nothing.
        (None, replace(FINAL, timestamp=4_999), None),
        (None, replace(FINAL, timestamp=5_000, number=99), None),
        # The registry's numbers may be a parent chain's: the time counts first.
        (None, replace(FINAL, number=7), Contradiction.MOVED),
    ],
)
def test_a_final_anchor_has_to_be_where_it_was(
    stored: Anchor | None, final: Block, found: Contradiction | None
) -> None:
    reading = FinalReading(anchored=ANCHORED, stored=stored, final=final)
    assert contradiction_of(reading) is found


@pytest.mark.parametrize(
    ("stored", "head", "found"),
    [
        (NewestRoot(root=None, is_closed=False), None, None),
        (NewestRoot(root=HEAD.root, is_closed=False), HEAD, None),
        (NewestRoot(root=FINAL.hash, is_closed=False), None, Contradiction.FOREIGN),
        (NewestRoot(root=None, is_closed=True), None, Contradiction.CLOSED),
    ],
)
def test_the_head_on_chain_has_to_be_one_of_ours(
    stored: NewestRoot, head: Head | None, found: Contradiction | None
) -> None:
    assert contradiction_of(HeadReading(stored=stored, head=head)) is found
