"""A receipt on a chain of each kind, and what all who show it must make of its times.

Written out here, and not taken from the package, so that every face is held to the same table.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from support.beacons import LEAF, SIZE, Named, ended, header_of, make_world, name_block, prove_block
from support.world import MAIN, World

from anchor.base.types import ChainId
from anchor.ethereum.known_chains import ChainKind
from anchor.receipt.format import Receipt

CHAINS: Mapping[ChainKind, ChainId] = {
    "main": ChainId(1),
    "test": ChainId(11155111),
    "development": MAIN,
    "unlisted": ChainId(123_454_321),
}
PROVES_TIME: Mapping[ChainKind, bool] = {
    "main": True,
    "test": False,
    "development": False,
    "unlisted": True,
}
"""Whether the times of such a chain's blocks count, whoever shows them."""

PAIRS: Sequence[tuple[ChainKind, ChainKind]] = (
    ("main", "development"),
    ("test", "unlisted"),
    ("development", "test"),
)
"""The kinds of two chains on which one record is anchored: either suffices to prove a time."""


@functools.cache
def world_on(*kinds: ChainKind) -> World:
    """Return a world on chains of these kinds, whose records name a block of the first."""
    chain_ids = [CHAINS[kind] for kind in kinds]
    named = name_block(header_of(chain_ids[0]), chain_id=chain_ids[0])
    return make_world(named, chain_ids=chain_ids)


def receipt_on(here: World) -> Receipt:
    """Return a receipt with an anchor on each of the world's chains, and a beacon on the first."""
    first, *others = here.chains
    plain = [here.prove(here.anchor(LEAF, SIZE, chain_id)) for chain_id in others]
    return here.receipt(LEAF, prove_block(here, chain_id=first), *plain)


@functools.cache
def case_on(kind: ChainKind) -> Named:
    """Return a receipt that proves both bounds of time on a chain of that kind."""
    here = world_on(kind)
    return ended(here, prove_block(here), 0, "pass", "record-made-after")
