"""RFC 9162 section 2.1 Merkle trees from the prover's side: roots and proofs from stored nodes.

``anchor.log.merkle`` verifies without this module.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from anchor.base.types import MAX_LOG_SIZE, Hash32
from anchor.log.batch_sha256 import (
    MAX_SUBTREE_HEIGHT,
    hash_levels,
    hash_pairs,
    hash_subtrees,
)
from anchor.log.merkle import EMPTY_ROOT, hash_node

HASH = 32
"""Length of a hash in bytes."""

BLOCK_HEIGHT = 8
"""Leaves are stored, and proven in bulk, in blocks of 2^8: the height of C2SP's tiles."""

BLOCK = 1 << BLOCK_HEIGHT


class MerkleTree(ABC):
    """A tree that can return the root of each complete subtree of its first ``size`` leaves.

    The root of every smaller tree and all inclusion and consistency proofs follow from those.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._ragged: dict[tuple[int, int], Hash32] = {}

    @abstractmethod
    def node(self, height: int, index: int) -> Hash32:
        """Return the root of the complete subtree that starts at leaf ``index · 2^height``."""

    @abstractmethod
    def block(self, index: int) -> Sequence[bytes]:
        """Return the levels of a complete block of 256 leaves: its leaf hashes, …, its root.

        Each is the hashes of one height, back to back.
        """

    def subtree_root(self, start: int, end: int) -> Hash32:
        """Return ``MTH(D[start:end])`` of a complete subtree, or of an incomplete right edge."""
        width = end - start
        height = (width - 1).bit_length()
        if width == 1 << height:
            return self.node(height, start >> height)
        if (start, end) not in self._ragged:  # at most 48 entries for each tree size
            middle = start + (1 << (height - 1))
            self._ragged[start, end] = hash_node(
                self.subtree_root(start, middle), self.subtree_root(middle, end)
            )
        return self._ragged[start, end]

    def root(self, size: int) -> Hash32:
        """Return the root over the first ``size`` leaves."""
        self._check_size(size)
        return self.subtree_root(0, size) if size else EMPTY_ROOT

    def inclusion_path(self, index: int, size: int) -> list[Hash32]:
        """Return ``PATH(index, D[0:size])``, leaf side first (RFC 9162 section 2.1.3.1)."""
        self._check_size(size)
        if not 0 <= index < size:
            raise ValueError(f"no leaf {index} in a tree of {size}")
        return self._path_above(0, index, size)

    def inclusion_paths(self, start: int, end: int, size: int) -> Iterator[bytes]:
        """Yield the path of every leaf from ``start`` up to ``end``: its hashes, back to back.

        Leaves of one block share the hashes above it, so that each hash is looked up once.
        """
        self._check_size(size)
        if not 0 <= start <= end <= size:
            raise ValueError(f"no leaves {start} to {end} in a tree of {size}")
        while start < end:
            block, first = divmod(start, BLOCK)
            stop = min(end, (block + 1) * BLOCK)
            if (block + 1) * BLOCK <= size:
                yield from self._block_paths(block, size)[first : first + stop - start]
            else:
                for index in range(start, stop):
                    yield b"".join(self._path_above(0, index, size))
            start = stop

    def consistency_proof(self, old_size: int, new_size: int) -> list[Hash32]:
        """Return ``PROOF(old_size, D[0:new_size])`` (RFC 9162 section 2.1.4.1)."""
        self._check_size(new_size)
        if not 0 < old_size < new_size:
            raise ValueError(f"no consistency proof from {old_size} to {new_size}")
        # The old tree's last complete subtree, on the path up from the old tree's last leaf.
        height = (old_size & -old_size).bit_length() - 1
        index = (old_size >> height) - 1
        proof = self._path_above(height, index, new_size)
        # If that subtree is the whole old tree, its root is the old root, which the verifier has.
        return [self.node(height, index), *proof] if index else proof

    def _path_above(self, height: int, index: int, size: int) -> list[Hash32]:
        """Return the siblings on the way from a complete node to the root over ``size`` leaves."""
        path: list[Hash32] = []
        last = (size - 1) >> height
        while last:
            if index & 1:
                path.append(self.node(height, index - 1))
            elif index < last:
                start = (index + 1) << height
                path.append(self.subtree_root(start, min(start + (1 << height), size)))
            # else: the right edge is incomplete here, the node is carried up unchanged.
            index >>= 1
            last >>= 1
            height += 1
        return path

    def _block_paths(self, block: int, size: int) -> list[bytes]:
        paths = [b"".join(self._path_above(BLOCK_HEIGHT, block, size))]
        for level in reversed(self.block(block)[:BLOCK_HEIGHT]):
            # A path is the sibling followed by the parent's path.
            paths = [
                level[at : at + HASH] + above
                for position, above in enumerate(paths)
                for at in (position * 2 * HASH + HASH, position * 2 * HASH)
            ]
        return paths

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ValueError(f"the tree holds {self.size} leaves, not {size}")


class Tree(MerkleTree):
    """All complete nodes over a run of leaves, in memory: about 64 bytes a leaf."""

    def __init__(self, leaves: bytes) -> None:
        """Build from ``leaves``: their 32-byte hashes, back to back, in order."""
        if len(leaves) % HASH:
            raise ValueError("leaves are 32 bytes each")
        super().__init__(len(leaves) // HASH)
        self._levels = [leaves, *hash_levels(leaves, self.size.bit_length())]

    def node(self, height: int, index: int) -> Hash32:
        """Return the root of the complete subtree that starts at leaf ``index · 2^height``."""
        return Hash32(self._levels[height][index * HASH : (index + 1) * HASH])

    def block(self, index: int) -> Sequence[bytes]:
        """Return the levels of a complete block of 256 leaves: its leaf hashes, …, its root."""
        return [
            self._levels[height][
                (index << BLOCK_HEIGHT - height) * HASH : (index + 1 << BLOCK_HEIGHT - height)
                * HASH
            ]
            for height in range(BLOCK_HEIGHT + 1)
        ]


class RightEdge:
    """The roots of the complete subtrees that make up a tree of ``size`` leaves, largest first.

    At most 48 hashes; they suffice to append leaves (with the new leaves they give the root of
    every larger size).
    """

    def __init__(self, size: int = 0, nodes: Sequence[Hash32] = ()) -> None:
        if len(nodes) != size.bit_count():
            raise ValueError(f"a right edge of {size} leaves has {size.bit_count()} nodes")
        self.size = size
        heights = [height for height in range(size.bit_length()) if size >> height & 1]
        self._by_height = dict(zip(reversed(heights), nodes, strict=True))

    @property
    def nodes(self) -> list[Hash32]:
        """The roots, largest subtree first."""
        return [self._by_height[height] for height in sorted(self._by_height, reverse=True)]

    def node(self, height: int) -> Hash32:
        """Return the root of the subtree of 2^height leaves; that bit of ``size`` must be set."""
        return self._by_height[height]

    def append(self, leaves: bytes) -> None:
        """Append leaf hashes.

        The time depends on the number of new leaves only, not on the size.
        """
        self.extend(leaves, MAX_SUBTREE_HEIGHT)

    def extend(self, leaves: bytes, step: int = 1) -> list[bytes]:
        """Append leaf hashes; return the nodes completed at heights 0, ``step``, 2·``step`` ...

        With ``h = i·step``, ``result[i]`` are the hashes of the nodes of height ``h`` from number
        ``old_size >> h`` on, back to back.  ``step`` is at most ``MAX_SUBTREE_HEIGHT``.
        """
        if len(leaves) % HASH:
            raise ValueError("leaves are 32 bytes each")
        old_size, count = self.size, len(leaves) // HASH
        if old_size + count > MAX_LOG_SIZE:
            raise ValueError(f"a log has at most {MAX_LOG_SIZE} leaves")
        completed: list[bytes] = []
        new = leaves
        height = 0
        while new:
            completed.append(new)
            new = self._climb(new, height, step, old_size >> height)
            height += step
        self.size += count
        return completed

    def _climb(self, new: bytes, height: int, step: int, index: int) -> bytes:
        """Return the nodes ``step`` levels up that ``new`` nodes from number ``index`` complete.

        The others become nodes of the edge.
        """
        width = HASH << step
        # Up to the next multiple of 2^step, they join what the edge has at these heights.
        lead = min(-(index * HASH) % width, len(new))
        end = len(new) - (len(new) - lead) % width
        above = self._join(new[:lead], height, step)
        if lead < end:
            above += hash_subtrees(memoryview(new)[lead:end], step)
        if end < len(new):
            self._join(new[end:], height, step)
        return above

    def _join(self, new: bytes, height: int, step: int) -> bytes:
        """Do the same with ``new`` nodes that lie in one subtree of that height, level by level."""
        for level in range(height, height + step):
            if not new:
                break
            new = self._by_height.pop(level, b"") + new
            if len(new) // HASH & 1:
                self._by_height[level] = Hash32(new[-HASH:])
            new = hash_pairs(new)
        return new

    def root(self) -> Hash32:
        """Return the root over all leaves appended so far."""
        nodes = self.nodes
        if not nodes:
            return EMPTY_ROOT
        root = nodes[-1]
        for node in reversed(nodes[:-1]):
            root = hash_node(node, root)
        return root
