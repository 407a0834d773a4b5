"""Sources of a log's leaf hashes when its store is lost: tiles, a publication, a backup."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.types import LogId
from anchor.log.publication import PublicationReader, read_tile
from anchor.log.tiles import read_leaves as read_tiles
from anchor.log.tree import BLOCK, RightEdge
from anchor.operate.receipt_files import read_receipt
from anchor.project.files import RECEIPT_SUFFIX
from anchor.store.database import Database
from anchor.store.heads import load_heads
from anchor.store.sealing import read_leaves
from anchor.store.tile_folder import TileFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafOrigin:
    """A source of ``size`` leaf hashes, which are read in chunks from ``start`` up to ``end``."""

    name: str
    size: int
    read: Callable[[int, int], Iterator[bytes]]


def leaves_of_folder(folder: TileFolder, least: int) -> LeafOrigin:
    """Return the leaves in a project's own tiles, of which ``least`` are expected.

    The tiles may hold more leaves, which were sealed but not anchored yet.
    """
    try:
        size = folder.size
    except AnchorError:
        size = 0
    size = max(size or _count_leaves(folder), least)
    read = partial(read_tiles, folder.read, size)
    return LeafOrigin(
        name=Message("restore-tiles-in-folder", folder=folder.folder), size=size, read=read
    )


def _count_leaves(folder: TileFolder) -> int:
    """Count the leaves covered by tiles, for a folder whose size file is lost."""
    widths: dict[int, int] = {}
    for _, tile in folder.list_tiles():
        if tile is not None and tile.level == 0:
            widths[tile.number] = max(tile.width, widths.get(tile.number, 0))
    size = 0
    for number in count():
        size += widths.get(number, 0)
        if widths.get(number) != BLOCK:
            break
    return size


def leaves_of_publication(reader: PublicationReader, size: int, most: int) -> LeafOrigin:
    """Return at most the first ``most`` leaves of a log published with ``size`` leaves."""
    read = partial(read_tiles, partial(read_tile, reader), size)
    return LeafOrigin(name=reader.name, size=min(size, most), read=read)


def leaves_of_store(name: str, database: Database) -> LeafOrigin:
    """Return the leaves in another store."""
    with database.read() as connection:
        heads = load_heads(connection)
    size = heads[-1].size if heads else 0
    return LeafOrigin(name=name, size=size, read=partial(read_leaves, database))


def walk_edges(origin: LeafOrigin, sizes: Collection[int]) -> Iterator[RightEdge]:
    """Yield the right edge of the log at each of ``sizes``, smallest first, in one pass."""
    edge = RightEdge()
    for size in sorted(size for size in sizes if 0 < size <= origin.size):
        for leaves in origin.read(edge.size, size):
            edge.append(leaves)
        yield RightEdge(edge.size, edge.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundReceipts:
    """Receipts of a log by their leaf index, and the sizes of the heads in them."""

    by_index: dict[int, list[Path]]
    sizes: frozenset[int]


def find_receipts(folders: Collection[Path], log: LogId) -> FoundReceipts:
    """Find the receipts of ``log`` in ``folders`` and below; other files are ignored."""
    by_index: dict[int, list[Path]] = {}
    sizes: set[int] = set()
    for folder in folders:
        for path in sorted(folder.rglob(f"*{RECEIPT_SUFFIX}")):
            receipt = read_receipt(path)
            if receipt is not None and receipt.log == log:
                by_index.setdefault(receipt.index, []).append(path)
                sizes |= {anchor.head.size for anchor in receipt.anchors}
                if receipt.promise is not None:
                    sizes.add(receipt.promise.head.size)
    return FoundReceipts(by_index=by_index, sizes=frozenset(sizes))
