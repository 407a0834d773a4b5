"""A tree of a million real, different leaves, and what is true of the proofs in it.

Roots and proofs follow RFC 9162's recursive definitions and share nothing with the package or
the contract; only the hashes of complete subtrees are kept, so that any prefix is quick.

``is_included`` and ``is_consistent`` are the judge between the two verifiers.  They fold nothing:
they descend from the root through the tree that it is really the root of and compare each sibling
that the proof gives with the one that stands there.  As long as SHA-256 has no collisions, nothing
else leads to that root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from support.rfc9162_reference import hash_node


class Inclusion(NamedTuple):
    """A claim, in the order of the contract's arguments."""

    leaf_hash: bytes
    index: int
    size: int
    root: bytes
    proof: list[bytes]


class Consistency(NamedTuple):
    """A claim, in the order of the contract's arguments."""

    old_size: int
    old_root: bytes
    new_size: int
    new_root: bytes
    proof: list[bytes]


class Node(NamedTuple):
    """The subtree over leaves ``start`` up to, but without, ``end``."""

    tree: LargeTree
    start: int
    end: int

    @property
    def hash(self) -> bytes:
        return self.tree.root(self.start, self.end)

    @property
    def is_leaf(self) -> bool:
        return self.end - self.start == 1

    @property
    def left(self) -> Node:
        return self._replace(end=self.start + split(self.end - self.start))

    @property
    def right(self) -> Node:
        return self._replace(start=self.start + split(self.end - self.start))


class LargeTree:
    """Leaves and, back to back in ``levels[h]``, the roots of every 2^h of them."""

    def __init__(self, records: Iterable[bytes]) -> None:
        sha256 = hashlib.sha256
        self.levels = [b"".join([sha256(b"\x00" + record).digest() for record in records])]
        while len(below := self.levels[-1]) >= 64:
            pairs = range(0, len(below) - 63, 64)
            self.levels.append(
                b"".join([sha256(b"\x01" + below[at : at + 64]).digest() for at in pairs])
            )

    def root(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]), section 2.1.1, for a run that is a node of some prefix."""
        width = end - start
        if width & (width - 1) == 0:
            at = start // width * 32
            return self.levels[width.bit_length() - 1][at : at + 32]
        middle = start + split(width)
        return hash_node(self.root(start, middle), self.root(middle, end))

    def inclusion(self, index: int, size: int) -> Inclusion:
        assert index < size
        proof = self._path(index, 0, size)
        return Inclusion(self.root(index, index + 1), index, size, self.root(0, size), proof)

    def consistency(self, old: int, new: int) -> Consistency:
        assert 0 < old < new
        proof = self._subproof(old, 0, new, True)
        return Consistency(old, self.root(0, old), new, self.root(0, new), proof)

    def ancestors(self, index: int, size: int) -> list[Node]:
        """Return the leaf and the nodes above it, but the root: ``proof[i]`` stands beside i."""
        node, below = Node(self, 0, size), []
        while not node.is_leaf:
            node = node.left if index < node.left.end else node.right
            below.append(node)
        return below[::-1]

    def _path(self, m: int, start: int, end: int) -> list[bytes]:
        """PATH(m, D[start:end]), section 2.1.3.1."""
        if end - start == 1:
            return []
        k = split(end - start)
        if m < k:
            return [*self._path(m, start, start + k), self.root(start + k, end)]
        return [*self._path(m - k, start + k, end), self.root(start, start + k)]

    def _subproof(self, m: int, start: int, end: int, b: bool) -> list[bytes]:
        """SUBPROOF(m, D[start:end], b), section 2.1.4.1."""
        if m == end - start:
            return [] if b else [self.root(start, end)]
        k = split(end - start)
        if m <= k:
            return [*self._subproof(m, start, start + k, b), self.root(start + k, end)]
        return [*self._subproof(m - k, start + k, end, False), self.root(start, start + k)]


def split(n: int) -> int:
    """Return k, the largest power of two smaller than n; the reference's loop is slow for 2^256."""
    return 1 << (n - 1).bit_length() - 1


def is_included(claim: Inclusion, top: Node | None) -> bool:
    """Judge a claim whose root is ``top``; ``None`` where the root was not made by hashing."""
    m, n, node = claim.index, claim.size, top
    if m >= n:
        return False
    for sibling in reversed(claim.proof):
        if n == 1 or node is None or node.is_leaf:
            return False
        k = split(n)
        if m < k:
            n, node, beside = k, node.left, node.right
        else:
            m, n, node, beside = m - k, n - k, node.right, node.left
        if beside.hash != sibling:
            return False
    reached = claim.root if node is None else node.hash
    return n == 1 and reached == claim.leaf_hash


def is_consistent(claim: Consistency, old: Node | None, new: Node | None) -> bool:
    """Judge a claim whose roots are ``old`` and ``new``, as in ``is_included``."""
    m, n, proof = claim.old_size, claim.new_size, claim.proof[:]
    if not 0 < m < n:
        return False
    old_is_given = True  # the RFC's b: the proof need not repeat the old root
    while m != n:
        if not proof or new is None or new.is_leaf:
            return False
        sibling = proof.pop()
        k = split(n)
        if m <= k:
            n, new, beside = k, new.left, new.right
        else:
            if old is None or old.is_leaf or old.left.hash != sibling:
                return False
            old, old_is_given = old.right, False
            m, n, new, beside = m - k, n - k, new.right, new.left
        if beside.hash != sibling:
            return False
    assert new is not None  # it was descended into, since m was below n
    if old_is_given:
        return not proof and new.hash == claim.old_root
    assert old is not None
    return len(proof) == 1 and proof[0] == old.hash == new.hash
