"""The hash tiles of a log: C2SP tlog-tiles (https://c2sp.org/tlog-tiles), without entry bundles.

Tile ``number`` of ``level`` holds up to 256 hashes, back to back: the roots of the complete
subtrees of 2^(8·level) leaves, starting with subtree ``256 · number``.  A full tile never
changes; the last of each level may be partial, and a wider one begins with the same bytes.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from anchor.base.errors import AnchorError, CannotCheckError, MismatchError
from anchor.base.messages.message import Message, join
from anchor.base.types import Hash32, Head
from anchor.log.batch_sha256 import hash_levels
from anchor.log.tree import BLOCK, BLOCK_HEIGHT, HASH, MerkleTree, RightEdge

TILE_BYTES = BLOCK * HASH

# 2^48 leaves have six levels of tiles.
_MAX_LEVELS = 6
# Leaf hashes in memory at a time: whole tiles of the second level.
_CHUNK = 256 * BLOCK
_CACHED_TILES = 256  # 16 KiB each, with the levels inside the tile
# Level 0 of 2^48 leaves has 2^40 tiles, a number of at most 13 digits.
_NAME = re.compile(r"tile/([0-5])/((?:x[0-9]{3}/){0,4}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tile(NamedTuple):
    """One tile; ``width`` counts its hashes, 1 … 256."""

    level: int
    number: int
    width: int = BLOCK

    @property
    def is_full(self) -> bool:
        """Whether the tile has all 256 hashes and can never change."""
        return self.width == BLOCK

    @property
    def path(self) -> str:
        """The name below the log's prefix: ``tile/0/x001/x234/067`` or ``…/067.p/8``."""
        groups = [f"{self.number % 1000:03}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        path = f"tile/{self.level}/" + "/".join(reversed(groups))
        return path if self.is_full else f"{path}.p/{self.width}"


TileReader = Callable[[Tile], bytes]
"""A function that returns a tile's ``32 · width`` bytes, or raises its source's own error."""


def read_leaves(read: TileReader, size: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the leaf hashes from number ``start`` up to ``end`` of a log of ``size``, in chunks.

    Raises:
        CannotCheckError: A tile has the wrong length.
    """
    while start < end:
        stop = min(end, (start // _CHUNK + 1) * _CHUNK)
        first = start // BLOCK * BLOCK
        yield b"".join(
            # As wide as the log allows: narrower versions of a tile need not exist.
            _read_whole(read, Tile(0, at // BLOCK, min(BLOCK, size - at)))
            for at in range(first, stop, BLOCK)
        )[(start - first) * HASH : (stop - first) * HASH]
        start = stop


def _read_whole(read: TileReader, tile: Tile) -> bytes:
    data = read(tile)
    if len(data) != tile.width * HASH:
        raise CannotCheckError(Message("tile-size-wrong", path=tile.path, size=len(data)))
    return data


def parse_tile_path(path: str) -> Tile | None:
    """Return the tile with this ``path``; None if the path is not in its canonical spelling."""
    match = _NAME.fullmatch(path)
    if match is None:
        return None
    level, groups, width = match.groups()
    index = int(groups.replace("x", "").replace("/", ""))
    tile = Tile(int(level), index, int(width) if width else BLOCK)
    # No leading x000, no .p/256, and no greater width.
    return tile if tile.path == path and tile.width <= BLOCK else None


def tiles_of(size: int, *, after: int = 0) -> Iterator[Tile]:
    """Yield the tiles that are new in a log of ``size`` leaves since it had ``after`` leaves."""
    for level in range(_MAX_LEVELS):
        old_nodes, new_nodes = after >> (BLOCK_HEIGHT * level), size >> (BLOCK_HEIGHT * level)
        if new_nodes == old_nodes:
            break  # higher levels have nothing new either
        for index in range(old_nodes // BLOCK, new_nodes // BLOCK):
            yield Tile(level, index)
        if new_nodes % BLOCK:
            yield Tile(level, new_nodes // BLOCK, new_nodes % BLOCK)


def right_tiles(size: int) -> list[Tile]:
    """Return the partial tiles of a log of ``size`` leaves, lowest level first."""
    counts = (size >> (BLOCK_HEIGHT * level) for level in range(_MAX_LEVELS))
    return [
        Tile(level, count // BLOCK, count % BLOCK)
        for level, count in enumerate(counts)
        if count % BLOCK
    ]


def append_leaves(edge: RightEdge, leaves: bytes, read: TileReader) -> list[tuple[Tile, bytes]]:
    """Append leaf hashes to ``edge`` and return the tiles that they fill or start.

    Of the tiles on disk, only the right edge's partial ones are read, to compare them with
    ``edge``.
    """
    old_size = edge.size
    begun = [
        _read_right_tile(edge, level, read)
        for level in range(min(_MAX_LEVELS, _count_levels(old_size, len(leaves) // HASH)))
    ]
    completed = edge.extend(leaves, BLOCK_HEIGHT)
    grown: list[tuple[Tile, bytes]] = []
    for level, new in enumerate(completed):
        first = (old_size >> (BLOCK_HEIGHT * level)) // BLOCK
        hashes = begun[level] + new
        grown += [
            (Tile(level, first + at // TILE_BYTES, len(part) // HASH), part)
            for at in range(0, len(hashes), TILE_BYTES)
            for part in (hashes[at : at + TILE_BYTES],)
        ]
    return grown


def _count_levels(old_size: int, count: int) -> int:
    """Return the number of tile levels that ``count`` new leaves add hashes to."""
    levels = 0
    while (old_size + count) >> (BLOCK_HEIGHT * levels) != old_size >> (BLOCK_HEIGHT * levels):
        levels += 1
    return levels


def _read_right_tile(edge: RightEdge, level: int, read: TileReader) -> bytes:
    index, width = divmod(edge.size >> (BLOCK_HEIGHT * level), BLOCK)
    if not width:
        return b""
    tile = Tile(level, index, width)
    levels = _levels_of(tile, read, MismatchError)
    for height, hashes in enumerate(levels):
        if width >> height & 1 and hashes[-HASH:] != edge.node(BLOCK_HEIGHT * level + height):
            raise MismatchError(Message("tile-right-edge-differs", path=tile.path))
    return levels[0]


class TileBuilder:
    """A builder of a log's tiles from its leaves alone; it keeps only the partial tiles."""

    def __init__(self) -> None:
        self.edge = RightEdge()
        self._unfinished: dict[int, tuple[Tile, bytes]] = {}

    def add(self, leaves: bytes) -> list[tuple[Tile, bytes]]:
        """Append leaf hashes; return the tiles that they fill."""
        grown = append_leaves(self.edge, leaves, lambda tile: self._unfinished[tile.level][1])
        full = [(tile, data) for tile, data in grown if tile.is_full]
        for tile, _ in full:
            self._unfinished.pop(tile.level, None)
        self._unfinished |= {tile.level: (tile, data) for tile, data in grown if not tile.is_full}
        return full

    def unfinished(self) -> list[tuple[Tile, bytes]]:
        """Return the partial tiles, lowest level first."""
        return [self._unfinished[level] for level in sorted(self._unfinished)]


class TileTree(MerkleTree):
    """A log's tree read from tiles, each of which is verified against the root.

    A source of tiles can therefore fail, but not deceive.  ``read`` is called once or a few times
    for each full tile, and on opening for the partial ones.  ``mismatch`` builds the error for a
    tile that does not lead to the root, given its message.
    """

    def __init__(
        self,
        head: Head,
        read: TileReader,
        *,
        mismatch: Callable[[Message], AnchorError] = MismatchError,
    ) -> None:
        """Open the tree of ``head``."""
        super().__init__(head.size)
        self._read = read
        self._mismatch = mismatch
        self._cache: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._right = {
            (tile.level, tile.number): _levels_of(tile, read, mismatch)
            for tile in right_tiles(head.size)
        }
        if self.root(head.size) != head.root:
            names = join(tile.path for tile in right_tiles(head.size))
            raise mismatch(Message("tiles-root-differs", paths=names, size=head.size))

    def node(self, height: int, index: int) -> Hash32:
        """Return the root of the complete subtree that starts at leaf ``index · 2^height``."""
        level, inner = divmod(height, BLOCK_HEIGHT)
        tile, position = divmod(index, BLOCK >> inner)
        return Hash32(self._levels(level, tile)[inner][position * HASH : (position + 1) * HASH])

    def block(self, index: int) -> Sequence[bytes]:
        """Return the levels of a complete block of 256 leaves: its leaf hashes, …, its root."""
        return self._levels(0, index)

    def tile(self, tile: Tile) -> bytes:
        """Return the hashes of one of the tree's tiles."""
        return self._levels(tile.level, tile.number)[0]

    def _levels(self, level: int, index: int) -> list[bytes]:
        key = (level, index)
        if (levels := self._right.get(key)) is not None:
            return levels
        if (levels := self._cache.get(key)) is not None:
            self._cache.move_to_end(key)
            return levels
        tile = Tile(level, index)
        levels = _levels_of(tile, self._read, self._mismatch)
        if levels[BLOCK_HEIGHT] != self.node(BLOCK_HEIGHT * (level + 1), index):
            raise self._mismatch(Message("tile-parent-differs", path=tile.path))
        self._cache[key] = levels
        if len(self._cache) > _CACHED_TILES:
            self._cache.popitem(last=False)
        return levels


def _levels_of(
    tile: Tile, read: TileReader, mismatch: Callable[[Message], AnchorError]
) -> list[bytes]:
    """Return the tile's hashes, and those of the complete nodes above them inside the tile."""
    data = read(tile)
    if len(data) != tile.width * HASH:
        raise mismatch(
            Message("tile-length-wrong", path=tile.path, size=len(data), expected=tile.width * HASH)
        )
    return [data, *hash_levels(data, BLOCK_HEIGHT)]
