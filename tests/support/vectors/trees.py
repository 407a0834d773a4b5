"""Trees as large as a log can be, of which only a few leaves are made."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import cache

from support.large_tree import LargeTree, split
from support.rfc9162_reference import hash_leaf, hash_node

MAX_SIZE = 2**48 - 1
"""The most leaves a log can have (docs/spec/receipt.md)."""

REAL_LEAVES = 258
"""Up to this size, the trees consist of real leaves throughout."""


def record_of(index: int) -> bytes:
    return index.to_bytes(8, "big")


class SparseTree(LargeTree):
    """A tree of any size in which only the nodes above ``known`` leaves are made by hashing.

    The rest is made up, complete subtree by complete subtree: nobody can tell from a proof.
    """

    def __init__(self, known: Collection[int], altered: Collection[int] = ()) -> None:
        # No levels: `root` is all that the proofs are made of.
        self._known = known
        self._altered = altered
        self._roots: dict[tuple[int, int], bytes] = {}

    def root(self, start: int, end: int) -> bytes:
        if (start, end) not in self._roots:
            self._roots[start, end] = self._make(start, end)
        return self._roots[start, end]

    def _make(self, start: int, end: int) -> bytes:
        width = end - start
        if width == 1:
            return hash_leaf(b"altered" if start in self._altered else record_of(start))
        if width & (width - 1) == 0 and not any(start <= leaf < end for leaf in self._known):
            return hashlib.sha256(b"made up" + record_of(start) + record_of(end)).digest()
        middle = start + split(width)
        return hash_node(self.root(start, middle), self.root(middle, end))


@cache
def tree_of(size: int, *known: int) -> SparseTree:
    return SparseTree(range(REAL_LEAVES) if size <= REAL_LEAVES else known)


def width_of(size: int) -> int:
    """Return the size of the smallest complete tree of that height."""
    return 1 << (size - 1).bit_length()
