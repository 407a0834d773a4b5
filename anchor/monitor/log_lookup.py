"""Queries on the log: a leaf's position and inclusion path, and the consistency of two heads.

All results are verified here, from hashes that were read from the tree on disk.  They hold only
hashes, sizes and positions: names and sources stay in the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import ChainGuardError, MismatchError, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32, Head
from anchor.log.merkle import PathNode, trace_path, verify_consistency
from anchor.log.tree import HASH
from anchor.project.project import OpenProject
from anchor.store.heads import AnchoredHead
from anchor.store.record_index import MOST_UNINDEXED, find_leaves
from anchor.store.runs import find_size, load_leaves
from anchor.store.sealing import open_tree
from anchor.store.statistics import find_anchor_above, find_head_above, load_newest_heads

# The digits of the greatest leaf index: a log has at most 2^48 leaves.
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafPosition:
    """A leaf and its verified inclusion path to ``head``; ``anchored`` is None if not anchored."""

    leaf: Hash32
    index: int
    head: Head
    steps: tuple[PathNode, ...]
    anchored: AnchoredHead | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadConsistency:
    """A verified consistency proof: the log at ``new`` begins with all leaves of ``old``."""

    old: Head
    new: Head
    proof: tuple[Hash32, ...]


def locate_leaf(project: OpenProject, index: int) -> LeafPosition:
    """Return the leaf at ``index`` and its inclusion path to the first head that holds it.

    That is the head of a final anchor if there is one, else of an anchor, else the first sealed.
    """
    with project.database.read() as connection:
        sealed = find_head_above(connection, index) if index >= 0 else None
        if sealed is None:
            raise UsageError(
                Message("log-leaf-missing", index=index), hint=Message("log-leaf-missing-hint")
            )
        chain_id = project.config.chain_id
        row = find_anchor_above(connection, chain_id, index, final=True) or find_anchor_above(
            connection, chain_id, index, final=False
        )
        leaf = Hash32(load_leaves(connection, index, index + 1))
    head = sealed.head if row is None else row.anchored.head
    path = open_tree(project.database, project.tiles, head).inclusion_path(index, head.size)
    try:
        steps = trace_path(leaf=leaf, index=index, size=head.size, path=path)
    except MismatchError as error:
        raise _broken_log_error(index, head) from error
    if (steps[-1].node if steps else leaf) != head.root:
        raise _broken_log_error(index, head)
    return LeafPosition(
        leaf=leaf,
        index=index,
        head=head,
        steps=steps,
        anchored=None if row is None else row.anchored,
    )


def search_leaf(project: OpenProject, leaf: Hash32, most: int | None = MOST_UNINDEXED) -> int:
    """Return the largest index of a leaf hash in the log; ``most`` is as for ``find_leaves``.

    Raises:
        CannotCheckError: Too many pieces are not in the index yet to tell.
    """
    with project.database.read() as connection:
        size = find_size(connection)
        indices = [index for index in find_leaves(connection, leaf, most) if index < size]
    if not indices:
        raise UsageError(Message("log-leaf-not-found", leaf=leaf.hex()))
    return indices[-1]


def prove_consistency(project: OpenProject, old_size: int, new_size: int) -> HeadConsistency:
    """Return the consistency proof between the heads of two sizes.

    Raises:
        UsageError: A size is not that of a head, or ``old_size`` is the larger one.
    """
    old, new = _find_head(project, old_size), _find_head(project, new_size)
    if old.size >= new.size:
        raise UsageError(Message("head-sizes-not-ascending", first=old.size, second=new.size))
    tree = open_tree(project.database, project.tiles, new)
    proof = tuple(tree.consistency_proof(old.size, new.size))
    try:
        verify_consistency(
            old_size=old.size,
            old_root=old.root,
            new_size=new.size,
            new_root=new.root,
            proof=proof,
        )
    except MismatchError as error:
        raise ChainGuardError(
            Message("head-not-continued", size=new.size, old_size=old.size, reason=error.message),
            hint=Message("log-damaged-hint"),
        ) from error
    return HeadConsistency(old=old, new=new, proof=proof)


def _find_head(project: OpenProject, size: int) -> Head:
    with project.database.read() as connection:
        rows = load_newest_heads(connection, 1, below=size + 1)
    if not rows or rows[0].head.size != size:
        raise UsageError(
            Message("log-head-not-found", size=size), hint=Message("log-head-not-found-hint")
        )
    return rows[0].head


def _broken_log_error(index: int, head: Head) -> ChainGuardError:
    return ChainGuardError(
        Message("leaf-path-broken", index=index, size=head.size),
        hint=Message("log-damaged-hint"),
    )


def parse_index(text: str) -> int | None:
    """Return the leaf index in ``text``; None if ``text`` is not an index."""
    is_index = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_index else None


def parse_leaf(text: str) -> Hash32 | None:
    """Return the leaf hash in ``text``, in hex; None if ``text`` is not a leaf hash."""
    is_hash = len(text) == 2 * HASH and set(text.lower()) <= set("0123456789abcdef")
    return Hash32(bytes.fromhex(text)) if is_hash else None
