"""RFC 9162 section 2.1 word for word: the recursive definitions, on hashlib alone.

It shares nothing with ``anchor.log.merkle`` or the contract, which are
iterative; that is its worth.
A tree is a tuple of leaf inputs (``D_n``); names and cases follow the RFC.
"""

from __future__ import annotations

import hashlib
from functools import cache

Leaves = tuple[bytes, ...]


def hash_leaf(data: bytes) -> bytes:
    """Section 2.1.1: ``MTH({d[0]}) = HASH(0x00 || d[0])``."""
    return hashlib.sha256(b"\x00" + data).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Section 2.1.1: ``HASH(0x01 || left || right)``."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n: int) -> int:
    """Return k, the largest power of two smaller than n (k < n <= 2k)."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


@cache
def root(d: Leaves) -> bytes:
    """MTH(D_n), section 2.1.1."""
    if not d:
        return hashlib.sha256(b"").digest()
    if len(d) == 1:
        return hash_leaf(d[0])
    k = split(len(d))
    return hash_node(root(d[:k]), root(d[k:]))


def inclusion_path(m: int, d: Leaves) -> list[bytes]:
    """PATH(m, D_n), section 2.1.3.1."""
    if len(d) == 1:
        return []
    k = split(len(d))
    if m < k:
        return [*inclusion_path(m, d[:k]), root(d[k:])]
    return [*inclusion_path(m - k, d[k:]), root(d[:k])]


def consistency_proof(m: int, d: Leaves) -> list[bytes]:
    """PROOF(m, D_n) for 0 < m < n, section 2.1.4.1."""
    return _subproof(m, d, True)


def _subproof(m: int, d: Leaves, b: bool) -> list[bytes]:
    n = len(d)
    if m == n:
        return [] if b else [root(d)]
    k = split(n)
    if m <= k:
        return [*_subproof(m, d[:k], b), root(d[k:])]
    return [*_subproof(m - k, d[k:], False), root(d[:k])]


def inclusion_shape(m: int, n: int) -> list[str]:
    """Return on which side each hash of PATH(m, D_n) stands.

    Two claims of the same shape fold a path in the same way, so that a verifier cannot tell them
    apart: a root commits to leaves, not to a size.
    """
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return [*inclusion_shape(m, k), "right"]
    return [*inclusion_shape(m - k, n - k), "left"]


def consistency_shape(m: int, n: int) -> list[str]:
    """Return the part each hash of PROOF(m, D_n) plays, the old root's too where it is implied."""
    return _subproof_shape(m, n, True)


def _subproof_shape(m: int, n: int, b: bool) -> list[str]:
    if m == n:
        return ["old root"] if b else ["seed"]
    k = split(n)
    if m <= k:
        return [*_subproof_shape(m, k, b), "right of new"]
    return [*_subproof_shape(m - k, n - k, False), "left of both"]
