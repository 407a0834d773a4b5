"""The ways to bend a claim that inclusion and consistency share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from support.large_tree import Consistency, Inclusion
from support.proof_edits import EMPTY_ROOT, ZERO, put
from support.rfc9162_reference import hash_leaf
from support.vectors.trees import SparseTree

FOREIGN_RECORD = b"not in the tree"
FOREIGN_LEAF = hash_leaf(FOREIGN_RECORD)

Claim = TypeVar("Claim", Inclusion, Consistency)

# Bends an honest claim about the tree; ``None`` where that claim cannot be bent so.
Edit = Callable[[Claim, SparseTree], Claim | None]


def flip(data: bytes, bit: int) -> bytes:
    bent = bytearray(data)
    bent[bit // 8] ^= 1 << bit % 8
    return bytes(bent)


ListEdit = Callable[[list[bytes]], list[bytes]]

# A list of hashes, bent; and the smallest number of hashes that can be bent so.
LIST_EDITS: dict[str, tuple[int, ListEdit]] = {
    "no hashes": (1, lambda _: []),
    "the first hash missing": (2, lambda p: p[1:]),
    "the last hash missing": (2, lambda p: p[:-1]),
    "a made-up hash before the first": (0, lambda p: [FOREIGN_LEAF, *p]),
    "a made-up hash after the last": (0, lambda p: [*p, FOREIGN_LEAF]),
    "a zero hash after the last": (0, lambda p: [*p, ZERO]),
    "the first hash twice": (1, lambda p: [p[0], *p]),
    "the last hash twice": (2, lambda p: [*p, p[-1]]),
    "the first two hashes swapped": (2, lambda p: [p[1], p[0], *p[2:]]),
    "the last two hashes swapped": (3, lambda p: [*p[:-2], p[-1], p[-2]]),
    "the hashes reversed": (3, lambda p: p[::-1]),
    "the first bit of the first hash flipped": (1, lambda p: put(p, 0, flip(p[0], 7))),
    "the last bit of the last hash flipped": (1, lambda p: [*p[:-1], flip(p[-1], 248)]),
    "the first hash zero": (1, lambda p: put(p, 0, ZERO)),
    "the last hash that of the empty tree": (2, lambda p: [*p[:-1], EMPTY_ROOT]),
    "the first hash a byte short": (1, lambda p: put(p, 0, p[0][:-1])),
    "the last hash a zero byte longer": (1, lambda p: [*p[:-1], p[-1] + b"\0"]),
    "an empty hash after the last": (0, lambda p: [*p, b""]),
    "the first two hashes as one": (2, lambda p: [p[0] + p[1], *p[2:]]),
}


def with_proof(least: int, bend: ListEdit) -> Edit[Claim]:
    return lambda c, _: c._replace(proof=bend(c.proof)) if len(c.proof) >= least else None


def bend_claim(
    honest: Claim,
    tree: SparseTree,
    edits: Mapping[str, Edit[Claim]],
    names: Iterable[str],
    seen: list[Claim],
) -> Iterator[tuple[str, Claim]]:
    """Yield what the named edits make of a claim, but nothing that is ``seen`` already."""
    for name in names:
        claim = edits[name](honest, tree)
        if claim is None or claim == honest or claim in seen:
            continue
        seen.append(claim)
        yield name, claim
