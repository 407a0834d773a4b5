"""The sequencer, which assigns accepted leaves their permanent places in the log.

A piece's place is its number of acceptance; a seal stores the head, from which on no place can be
given differently.  The tiles follow: they are made from the stored leaves when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from anchor.base.errors import ChainGuardError, MismatchError
from anchor.base.messages.message import Message
from anchor.base.types import Head
from anchor.log.tiles import TileTree, append_leaves
from anchor.log.tree import HASH, RightEdge
from anchor.store.database import Database
from anchor.store.evidence import find_held_back
from anchor.store.heads import SealedHead, find_edge, insert_head, newest_head
from anchor.store.name_index import enter_names
from anchor.store.record_index import enter_records
from anchor.store.retentions import enter_retentions
from anchor.store.runs import find_end, load_leaves, load_runs
from anchor.store.tile_folder import TileFolder

# Leaves held in memory while tiles are made: with their nodes about 16 MiB.
CHUNK = 1 << 17

_REBUILD = Message("tile-rebuild-hint")


def seal(
    database: Database,
    sealed_at: str,
    tiles: TileFolder | None = None,
    most: int | None = None,
    latest: str | None = None,
) -> tuple[Head, int] | None:
    """Append accepted leaves to the log; return the new head and how many leaves were added.

    Returns None if no piece waits. All that was accepted is first entered in the indices of records
    and names. Leaves keep the order of acceptance; with ``most``, only the first ``most`` are
    appended; with ``latest``, only those before the first one whose record is dated later, because
    a place is the number of acceptance. Evidence that is accepted meanwhile waits for the next
    seal.
    ``tiles`` are updated to the new head from the leaves that the seal holds in memory.

    Raises:
        ChainGuardError: Waiting evidence was altered or lost; nothing is sealed.
    """
    enter_records(database)
    enter_names(database)
    enter_retentions(database)
    before, leaves = _read_waiting(database, most, latest)
    if not leaves:
        return None
    edge = before.right_edge if before else RightEdge()
    if before and edge.root() != before.head.root:
        raise ChainGuardError(
            Message("head-edge-mismatch", size=edge.size),
            hint=Message("store-altered-unsealed-hint"),
        )
    edge.append(leaves)
    head = Head(root=edge.root(), size=edge.size)
    with database.sequence() as connection:
        # Other processes append pieces meanwhile, but never change the leaves read above.
        newest = newest_head(connection)
        assert (newest and newest.head) == (before and before.head), "the lease is held"
        insert_head(connection, SealedHead(head=head, right_edge=edge), sealed_at)
        # A crash before this commit leaves them unsealed; the next run seals the same order.
    # A crash here leaves the tiles of an earlier head; the missing ones are made when needed.
    if tiles is not None:
        write_tiles(database, tiles, (head, [leaves]))
    return head, len(leaves) // HASH


def _read_waiting(
    database: Database, most: int | None, latest: str | None
) -> tuple[SealedHead | None, bytes]:
    """Return the newest head and the waiting leaves to seal, each checked with its record.

    A wrong leaf could not be corrected after it is anchored.
    """
    leaves = bytearray()
    with database.read() as connection:
        before = newest_head(connection)
        start, end = before.head.size if before else 0, find_end(connection)
        end = end if most is None else min(end, start + most)
        held = None if latest is None else find_held_back(connection, latest)
        end = end if held is None else min(end, held.index)
        for run in load_runs(connection, start, end):
            if run.first > start + len(leaves) // HASH:
                break
            places = range(max(start - run.first, 0), min(end, run.end) - run.first)
            for at in run.find_false_leaves():
                if at in places:
                    raise ChainGuardError(
                        Message("record-leaf-changed", leaf=run.leaf(at).hex()),
                        hint=Message("store-altered-unsealed-hint"),
                    )
            leaves += run.leaves[places.start * HASH : places.stop * HASH]
    if len(leaves) != max(end - start, 0) * HASH:
        raise ChainGuardError(
            Message("leaf-waiting-missing", actual=len(leaves) // HASH, expected=end - start),
            hint=Message("leaf-waiting-missing-hint"),
        )
    return before, bytes(leaves)


def open_tree(database: Database, tiles: TileFolder, head: Head) -> TileTree:
    """Return the tree of a sealed head, read from tiles; missing tiles are made first.

    Raises:
        ChainGuardError: Stored leaves or tiles do not lead to the log's roots. The tree raises this
            error later, too, if a tile that it reads then does not.
    """
    write_tiles(database, tiles)
    return TileTree(head, tiles.read, mismatch=lambda text: _damaged_error(tiles, text))


def write_tiles(
    database: Database, tiles: TileFolder, sealed: tuple[Head, Sequence[bytes]] | None = None
) -> int:
    """Write the tiles up to the newest sealed head; return how many leaves they hold.

    ``sealed`` is a head with its last leaves, which are then not read from the store.
    """
    size = tiles.size
    with database.read() as connection:
        newest = newest_head(connection)
        begun = find_edge(connection, size) if size else None
    if newest is None or newest.head.size == size:
        return size
    if size and begun is None:
        raise ChainGuardError(
            Message("tile-size-foreign", folder=tiles.folder, size=size),
            hint=Message("tile-size-foreign-hint"),
        )
    edge = begun.right_edge if begun else RightEdge()
    held = sealed[1] if sealed is not None and sealed[0] == newest.head else ()
    try:
        for leaves in _gather_leaves(database, size, newest.head.size, held):
            grown = append_leaves(edge, leaves, tiles.read)
            if edge.size == newest.head.size and edge.root() != newest.head.root:
                raise _altered_error(edge.size)
            tiles.write(grown)
            # A crash here: the next run writes the same tiles again, with the same bytes.
    except MismatchError as error:
        raise _damaged_error(tiles, error.message) from error
    tiles.write_size(edge.size)
    return edge.size


def _gather_leaves(
    database: Database, start: int, end: int, held: Sequence[bytes]
) -> Iterator[bytes]:
    """Yield the leaves from ``start`` up to ``end`` in chunks; ``held`` are the last of them."""
    first = end - sum(map(len, held)) // HASH
    yield from read_leaves(database, start, first)
    begins = list(accumulate((len(part) // HASH for part in held), initial=first))
    for begin, stop in _split(max(start, first), end):
        yield b"".join(
            part[max(begin - at, 0) * HASH : max(stop - at, 0) * HASH]
            for at, part in zip(begins, held, strict=False)
        )


def check_leaves(database: Database, head: Head) -> None:
    """Check that the stored leaves lead to ``head``."""
    edge = RightEdge()
    for leaves in read_leaves(database, 0, head.size):
        edge.append(leaves)
    if edge.root() != head.root:
        raise _altered_error(head.size)


def _altered_error(size: int) -> ChainGuardError:
    return ChainGuardError(
        Message("leaf-root-mismatch", size=size),
        hint=Message("store-altered-hint"),
    )


def _damaged_error(tiles: TileFolder, text: str) -> ChainGuardError:
    return ChainGuardError(
        Message("tile-folder-fault", folder=tiles.folder, fault=text), hint=_REBUILD
    )


def read_leaves(database: Database, start: int, end: int) -> Iterator[bytes]:
    """Yield the log's leaf hashes from number ``start`` up to ``end``, in chunks.

    Chunks end at multiples of ``CHUNK``.
    """
    for begin, stop in _split(start, end):
        with database.read() as connection:
            leaves = load_leaves(connection, begin, stop)
        if len(leaves) != HASH * (stop - begin):
            raise ChainGuardError(
                Message(
                    "leaf-range-incomplete", actual=len(leaves) // HASH, first=begin, last=stop - 1
                ),
                hint=Message("store-restore-unsent-hint"),
            )
        yield leaves


def _split(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a range that end at multiples of ``CHUNK``."""
    while start < end:
        stop = min(end, (start // CHUNK + 1) * CHUNK)
        yield start, stop
        start = stop
