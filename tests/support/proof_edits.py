"""Numbers drawn at the edges, claims that share a shape, and ways to bend any proof."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from support.large_tree import Consistency, Inclusion, LargeTree, Node
from support.rfc9162_reference import hash_node

LARGEST = 2**20
# Another log that has the same first leaves and then went its own way.
LARGEST_FORK = 2**16
SHARED = 20_000

ZERO, ONES = bytes(32), b"\xff" * 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
UINT256 = 2**256 - 1
HUGE = (2**48 - 1, 2**48, 2**48 + 1, 2**63, 2**64 - 1, 2**64, 2**255, UINT256 - 1, UINT256)

Claim = Inclusion | Consistency
# A claim and what its roots really are: one for an inclusion, the old and the new one else.
Bent = tuple[Claim, tuple[Node | None, ...]] | None


class Forest(NamedTuple):
    main: LargeTree
    fork: LargeTree


def grow_forest() -> Forest:
    def record(number: int) -> bytes:
        return b"record %d" % number

    fork = [record(n if n < SHARED else LARGEST + n) for n in range(LARGEST_FORK)]
    return Forest(LargeTree(map(record, range(LARGEST))), LargeTree(fork))


# Draws one claim; ``None`` where the tree it drew has no such mutation.
Bend = Callable[[Random, Forest], Bent]


# What is drawn


def draw_size(rng: Random, smallest: int = 1, largest: int = LARGEST) -> int:
    """Small, uniform, of uniform magnitude, or a power of two and its neighbours."""
    drawn = (
        rng.randint(1, 40),
        rng.randint(1, largest),
        rng.randrange(1 << rng.randint(1, largest.bit_length())),
        (1 << rng.randint(0, largest.bit_length())) + rng.randint(-1, 1),
    )[rng.randrange(4)]
    return min(max(drawn, smallest), largest)


def draw_index(rng: Random, size: int) -> int:
    edge = 1 << rng.randrange(size.bit_length())
    return rng.choice((0, size - 1, min(edge, size - 1), rng.randrange(size), rng.randrange(size)))


def draw_other(rng: Random, true: int, drawn: int) -> int:
    """Return ``drawn``, or a number next to ``true`` where that is what was drawn."""
    return drawn if drawn != true else true + 1


def draw_hash(rng: Random) -> bytes:
    return rng.randbytes(32)


def flip(rng: Random, value: bytes) -> bytes:
    return (int.from_bytes(value, "big") ^ (1 << rng.randrange(256))).to_bytes(32, "big")


def spread(rng: Random, bits: int, width: int) -> int:
    """Return another number of at most ``width`` bits with as many ones as ``bits`` has."""
    return sum(1 << place for place in rng.sample(range(width), bits.bit_count()))


def same_shape(rng: Random, index: int, size: int, spare: int) -> tuple[int, int]:
    """Return an index and a size whose path stands on the same sides, bottom to top.

    From the level where leaf and right edge meet, a zero bit is a level without a sibling: as many
    as one likes may be put in or taken out.  What lies right of them below that level is free.
    """
    last, meet = size - 1, (index ^ (size - 1)).bit_length()
    high = spread(rng, index >> meet, (index >> meet).bit_count() + spare)
    low, last_low = index & (1 << meet) - 1, last & (1 << meet) - 1
    if meet:
        last_low = 1 << (meet - 1) | rng.randrange(1 << (meet - 1))
    return high << meet | low, (high << meet | last_low) + 1


def same_shapes(rng: Random, old: int, new: int, spare: int) -> tuple[int, int]:
    """Return sizes whose proof is used in the same way: ``same_shape`` of the old tree's last
    complete subtree, which may have any width."""
    width = (old & -old).bit_length() - 1
    node, last = same_shape(rng, (old >> width) - 1, (new - 1 >> width) + 1, spare)
    width = rng.randint(0, spare)
    return (node + 1) << width, last * (1 << width) - rng.randrange(1 << width)


# Ways to bend a proof that are the same for both


def put(proof: list[bytes], at: int, node: bytes) -> list[bytes]:
    return [*proof[:at], node, *proof[at + 1 :]]


def exchange(proof: list[bytes], one: int, other: int) -> list[bytes]:
    return put(put(proof, one, proof[other]), other, proof[one])


def shuffle(rng: Random, proof: list[bytes]) -> list[bytes]:
    return rng.sample(proof, len(proof))


Edit = Callable[[Random, list[bytes]], list[bytes]]

# Of any proof, the empty one too.
ADDITIONS: dict[str, Edit] = {
    "a made-up node appended": lambda rng, p: [*p, draw_hash(rng)],
    "a made-up node in front": lambda rng, p: [draw_hash(rng), *p],
    "a made-up node put in": lambda rng, p: [
        *p[: (at := rng.randint(0, len(p)))],
        draw_hash(rng),
        *p[at:],
    ],
    "zero nodes appended": lambda rng, p: [*p, *[ZERO] * rng.randint(1, 40)],
    "zero nodes in front": lambda rng, p: [*[ZERO] * rng.randint(1, 40), *p],
    "zero nodes appended to 256 and more": lambda rng, p: p + [ZERO] * rng.randint(256, 300),
    "made-up nodes, 256 and more": lambda rng, p: [
        draw_hash(rng) for _ in range(rng.randint(256, 300))
    ],
}
# Of a proof with at least one node.
CHANGES: dict[str, Edit] = {
    "truncated": lambda rng, p: p[: rng.randrange(len(p))],
    "truncated by one node": lambda rng, p: p[:-1],
    "its first nodes left out": lambda rng, p: p[rng.randint(1, len(p)) :],
    "a node left out": lambda rng, p: p[: (at := rng.randrange(len(p)))] + p[at + 1 :],
    "emptied": lambda rng, p: [],
    "a node doubled": lambda rng, p: p[: (at := rng.randrange(len(p)) + 1)] + p[at - 1 :],
    "the whole proof doubled": lambda rng, p: p + p,
    "repeated to 256 nodes and more": lambda rng, p: p * (256 // len(p) + 1),
    "a node zeroed": lambda rng, p: put(p, rng.randrange(len(p)), ZERO),
    "a node of all ones": lambda rng, p: put(p, rng.randrange(len(p)), ONES),
    "a node replaced by the empty tree": lambda rng, p: put(p, rng.randrange(len(p)), EMPTY_ROOT),
    "a bit flipped": lambda rng, p: put(p, at := rng.randrange(len(p)), flip(rng, p[at])),
    "a node replaced by its hash": lambda rng, p: put(
        p, at := rng.randrange(len(p)), hashlib.sha256(p[at]).digest()
    ),
    "a node replaced by the parent of two of it": lambda rng, p: put(
        p, at := rng.randrange(len(p)), hash_node(p[at], p[at])
    ),
}
# Of a proof with at least two.
REORDERINGS: dict[str, Edit] = {
    "neighbours swapped": lambda rng, p: exchange(p, at := rng.randrange(len(p) - 1), at + 1),
    "two nodes exchanged": lambda rng, p: exchange(p, *rng.sample(range(len(p)), 2)),
    "reversed": lambda rng, p: p[::-1],
    "rotated": lambda rng, p: p[(by := rng.randrange(1, len(p))) :] + p[:by],
    "shuffled": shuffle,
    "a node replaced by another of them": lambda rng, p: put(
        p, (pair := rng.sample(range(len(p)), 2))[0], p[pair[1]]
    ),
}
EDITS = {**ADDITIONS, **CHANGES, **REORDERINGS}
NODES_NEEDED = dict.fromkeys(CHANGES, 1) | dict.fromkeys(REORDERINGS, 2)


def edited(kind: str, honest: Bend) -> Bend:
    edit = EDITS[kind]

    def bend(rng: Random, forest: Forest) -> Bent:
        bent = honest(rng, forest)
        if bent is None or len(bent[0].proof) < NODES_NEEDED.get(kind, 0):
            return None
        proof = edit(rng, bent[0].proof)
        return (bent[0]._replace(proof=proof), bent[1]) if proof != bent[0].proof else None

    return bend
