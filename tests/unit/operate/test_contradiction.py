"""What the chain holds against the store, by the one rule that every face of it goes by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anchor.base.types import Anchor, Block, Hash32, Head
from anchor.chain.registry_reader import NewestRoot
from anchor.operate.contradiction import FinalReading, is_moved, is_refuted
from anchor.operate.preconditions import _contradicted
from anchor.store.heads import AnchoredHead

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
        (STORED, FINAL, False),
        (None, FINAL, True),
        (replace(STORED, block_number=101), FINAL, True),
        (replace(STORED, timestamp=5_012), FINAL, True),
        (replace(STORED, sequence=2), FINAL, True),
        # Older than the anchor: it tells nothing.
        (None, replace(FINAL, timestamp=4_999), False),
        (None, replace(FINAL, timestamp=5_000, number=99), False),
        # The registry's numbers may be a parent chain's: the time counts first.
        (None, replace(FINAL, number=7), True),
    ],
)
def test_a_final_anchor_has_to_be_where_it_was(
    stored: Anchor | None, final: Block, found: bool
) -> None:
    reading = FinalReading(anchored=ANCHORED, stored=stored, final=final)
    assert is_moved(reading) is found


@pytest.mark.parametrize(
    ("stored", "head", "found"),
    [
        (NewestRoot(root=None, is_closed=False), None, None),
        (NewestRoot(root=HEAD.root, is_closed=False), HEAD, None),
        (NewestRoot(root=FINAL.hash, is_closed=False), None, "is not in this store"),
        (NewestRoot(root=None, is_closed=True), None, "was closed"),
    ],
)
def test_the_head_on_chain_has_to_be_one_of_ours(
    stored: NewestRoot, head: Head | None, found: str | None
) -> None:
    assert is_refuted(stored, head) is (found is not None)
    if found is not None:
        assert found in _contradicted(stored).message
