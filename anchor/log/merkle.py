"""RFC 9162 section 2.1 Merkle trees over SHA-256: roots, proofs and their verification.

Leaves are ``SHA-256(0x00 ‖ data)``, nodes ``SHA-256(0x01 ‖ left ‖ right)``, in order, with no
duplicated last leaf.  A path can be redone with ``sha256sum`` alone.

A root commits to leaves, not to a size: the index and the size are the operator's claim, which the
path's shape must fit (docs/spec/registry.md states what a root commits to).

Functions that verify return nothing and raise ``MismatchError``: no caller can ignore a boolean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from anchor.base.errors import MismatchError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32

EMPTY_ROOT = Hash32(hashlib.sha256().digest())
"""The root of a tree without leaves (RFC 9162 section 2.1.1)."""

# A path in a tree of fewer than 2^48 leaves has at most 48 hashes.
MAX_PATH = 48

_sha256 = hashlib.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class PathNode:
    """One step up a path: ``node`` is the hash of ``left`` and ``right``, one from the path."""

    left: Hash32
    right: Hash32
    node: Hash32
    sibling_is_left: bool

    @property
    def sibling(self) -> Hash32:
        """Return the hash that comes from the path: ``left`` or ``right``."""
        return self.left if self.sibling_is_left else self.right


def hash_leaf(data: bytes) -> Hash32:
    """Hash one record's bytes into its leaf."""
    return Hash32(_sha256(b"\x00" + data).digest())


def hash_node(left: bytes, right: bytes) -> Hash32:
    """Hash two adjacent nodes into their parent."""
    return Hash32(_sha256(b"\x01" + left + right).digest())


def root_from_path(*, leaf: Hash32, index: int, size: int, path: Sequence[Hash32]) -> Hash32:
    """Fold ``path`` over ``leaf`` and return the root it leads to (RFC 9162 section 2.1.3.2)."""
    return fold_path(leaf=leaf, index=index, size=size, path=path)[-1]


def fold_path(*, leaf: Hash32, index: int, size: int, path: Sequence[Hash32]) -> list[Hash32]:
    """Return the hash after each step of ``path``, starting with the leaf itself.

    ``path_sides`` returns on which side each sibling is.
    """
    _check_lengths(leaf, *path)
    hashes = [leaf]
    for sibling, sibling_is_left in zip(path, path_sides(index, size, len(path)), strict=True):
        node = hashes[-1]
        hashes.append(hash_node(sibling, node) if sibling_is_left else hash_node(node, sibling))
    return hashes


def trace_path(
    *, leaf: Hash32, index: int, size: int, path: Sequence[Hash32]
) -> tuple[PathNode, ...]:
    """Return each step of ``path`` with the two hashes it joins; the last ``node`` is the root."""
    nodes = fold_path(leaf=leaf, index=index, size=size, path=path)
    return tuple(
        PathNode(
            left=sibling if is_left else below,
            right=below if is_left else sibling,
            node=node,
            sibling_is_left=is_left,
        )
        for sibling, is_left, below, node in zip(
            path, path_sides(index, size, len(path)), nodes[:-1], nodes[1:], strict=True
        )
    )


def path_sides(index: int, size: int, length: int) -> list[bool]:
    """Return for each sibling of a path whether it is the left of the two hashes."""
    if not 0 <= index < size:
        raise MismatchError(Message("leaf-index-outside-tree", index=index, size=size))
    sides: list[bool] = []
    node, last = index, size - 1
    while last:
        if node & 1:
            sides.append(True)
        elif node < last:
            sides.append(False)
        # else: the right edge is incomplete here, the node is carried up unchanged.
        node >>= 1
        last >>= 1
    if len(sides) != length:
        raise MismatchError(
            Message("path-length-wrong", actual=length, index=index, size=size, expected=len(sides))
        )
    return sides


def path_length(index: int, size: int) -> int:
    """Return how many hashes lead from a leaf to the root of a tree of ``size`` leaves."""
    if not 0 <= index < size:
        raise MismatchError(Message("leaf-index-outside-tree", index=index, size=size))
    # Every level has a sibling up to where the path meets the last leaf's; above, a left one only.
    below = (index ^ (size - 1)).bit_length()
    return below + (index >> below).bit_count()


def verify_inclusion(
    *, leaf: Hash32, index: int, size: int, path: Sequence[Hash32], root: Hash32
) -> None:
    """Check that ``leaf`` is at ``index`` under ``root`` (RFC 9162 section 2.1.3.2)."""
    reached = root_from_path(leaf=leaf, index=index, size=size, path=path)
    if reached != root:
        raise MismatchError(Message("path-root-differs"), expected=root, actual=reached)


def verify_consistency(
    *, old_size: int, old_root: Hash32, new_size: int, new_root: Hash32, proof: Sequence[Hash32]
) -> None:
    """Check that the tree under ``new_root`` extends the one under ``old_root``.

    RFC 9162 section 2.1.4.2, for 0 < ``old_size`` < ``new_size``.
    """
    if not 0 < old_size < new_size:
        raise MismatchError(Message("log-shrinks", old_size=old_size, new_size=new_size))
    if not proof:
        raise MismatchError(Message("consistency-proof-empty"))
    _check_lengths(old_root, *proof)
    nodes = list(proof)
    if old_size & (old_size - 1) == 0:
        nodes.insert(0, old_root)
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old, new = nodes[0], nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            raise MismatchError(Message("consistency-proof-too-long"))
        if node & 1 or node == last:
            old, new = hash_node(sibling, old), hash_node(sibling, new)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            new = hash_node(new, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise MismatchError(Message("consistency-proof-too-short"))
    if old != old_root or new != new_root:
        raise MismatchError(Message("consistency-proof-roots-differ"))


def _check_lengths(*hashes: bytes) -> None:
    # Moving a byte from one hash to its neighbour would not change the concatenation hashed below.
    if set(map(len, hashes)) != {32}:
        raise MismatchError(Message("proof-hash-length"))
