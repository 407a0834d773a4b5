"""Owners of leaves according to side files, for lookup while a store is rebuilt.

They may be as many as the log's leaves, so they are sorted in a temporary file, not in memory, and
many are looked up at once.
"""

from __future__ import annotations

import mmap
import sqlite3
import tempfile
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

from anchor.base.types import Hash32
from anchor.log.batch_sha256 import Buffer
from anchor.store.acknowledged_log_frames import Entry
from anchor.store.batches import in_batches
from anchor.store.sorted_rows import (
    NUMBER_SIZE,
    merge_rows,
    number_rows,
    search_rows,
    sort_rows,
    split_rows,
)

_HASH = 32
_PAIR = 2 * _HASH
# A leaf, an identity, and the number of the entry, by which a later one replaces earlier ones.
_ROW = Struct(f"{_HASH}s{_HASH}s{NUMBER_SIZE}s")
# Rows that are sorted, merged or read at once: some MiB.
_BATCH = 1 << 16
_KEYS = 500
_CREATE = "CREATE TABLE keyed (row BLOB, key BLOB)"
_ADD = "INSERT INTO keyed VALUES (?, ?)"
_SELECT = "SELECT row, key FROM keyed ORDER BY rowid"


@dataclass(frozen=True, slots=True)
class OwnedLeaf:
    """One acknowledged piece of evidence; ``tenant`` is empty if it has no tenant."""

    identity: bytes
    tenant: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Leaves that have no entry, and leaves whose entry has another identity."""

    unknown: frozenset[bytes] = frozenset()
    moved: frozenset[bytes] = frozenset()


class LeafOwners:
    """The entries of side files by leaf; a later entry for a leaf replaces an earlier one."""

    def __init__(self) -> None:
        self._rows = memoryview(b"")
        self._count = 0
        self._tenants: list[str] = []
        self._places: dict[str, int] = {}
        # The number of each entry whose tenant is not that of the one before, and its tenant.
        self._starts, self._codes = array("Q"), array("L")
        # An empty name makes a temporary file, which SQLite removes with the connection.
        self._keyed = sqlite3.connect("", isolation_level=None)
        self._keyed.execute(_CREATE)
        self._forgotten: frozenset[bytes] = frozenset()

    def add(self, batches: Iterable[list[Entry]]) -> None:
        """Add the entries of a side file; they are found when all of them have been added."""
        sizes: list[int] = []

        def sort() -> Iterator[bytes]:
            for batch in batches:
                rows = sort_rows(self._number(batch), _ROW.size)
                sizes.append(len(rows))
                yield rows

        sorted_parts = _store(sort())
        parts = [self._rows]
        for size in sizes:
            parts.append(sorted_parts[:size])
            sorted_parts = sorted_parts[size:]
        self._rows = _store(merge_rows(slices, _ROW.size) for slices in _split(parts))

    def _number(self, entries: Sequence[Entry]) -> bytes:
        """Return the rows of the next entries, and keep what the rows do not have."""
        rows = number_rows(join_pairs(entries), _PAIR, self._count)
        for at, entry in enumerate(entries):
            code = self._places.setdefault(entry.tenant, len(self._places))
            if code == len(self._tenants):
                self._tenants.append(entry.tenant)
            if not self._codes or self._codes[-1] != code:
                self._starts.append(self._count + at)
                self._codes.append(code)
        self._count += len(entries)
        self._keyed.execute("BEGIN")
        self._keyed.executemany(
            _ADD,
            (
                (rows[at * _ROW.size : (at + 1) * _ROW.size], entry.key)
                for at, entry in enumerate(entries)
                if entry.key is not None
            ),
        )
        self._keyed.execute("COMMIT")
        return rows

    def find(self, leaf: Hash32) -> OwnedLeaf | None:
        """Return whose a leaf is; None if it has no entry."""
        for _, identity, number in _ROW.iter_unpack(self._find_last(leaf, _HASH)):
            return OwnedLeaf(identity, self.name_tenant(number))
        return None

    def compare(self, pairs: bytes) -> Compared:
        """Compare pieces, each given as its leaf and its identity, with the entries."""
        pairs = sort_rows(pairs, _PAIR)
        known = self._find_last(pairs, _PAIR)
        if len(search_rows(known, _ROW.size, pairs, _PAIR, _PAIR)) == len(pairs):
            return Compared()
        identities = {leaf: identity for leaf, identity, _ in _ROW.iter_unpack(known)}
        unknown, moved = set(), set()
        for pair in split_rows(pairs, _PAIR):
            leaf, identity = pair[:_HASH], pair[_HASH:]
            if leaf not in identities:
                unknown.add(leaf)
            elif identities[leaf] != identity:
                moved.add(leaf)
        return Compared(frozenset(unknown), frozenset(moved))

    def load_keys(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield hashed idempotency keys with the identities of their evidence, in batches."""
        for batch in in_batches(self._keyed.execute(_SELECT), _KEYS):
            keys: dict[bytes, bytes] = dict(batch)
            leaves = sort_rows(b"".join(row[:_HASH] for row in keys), _HASH)
            valid = split_rows(self._find_last(leaves, _HASH), _ROW.size)
            yield [(keys[row], row[_HASH:_PAIR]) for row in valid if row in keys]

    def load_pieces(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield the identity of each leaf, and what ``name_tenant`` takes, in large batches."""
        for (rows,) in _split([self._rows]):
            last = _ROW.iter_unpack(self._keep_last(bytes(rows)))
            yield [(identity, number) for _, identity, number in last]

    def name_tenant(self, number: bytes) -> str:
        """Return the tenant of an entry; it is empty if the entry has none."""
        start = bisect_right(self._starts, int.from_bytes(number, "big")) - 1
        return self._tenants[self._codes[start]]

    def forget(self, leaves: Iterable[bytes]) -> None:
        """Ignore the entries of these leaves from now on."""
        self._forgotten |= frozenset(leaves)

    def close(self) -> None:
        """Close and remove the temporary files."""
        self._rows = memoryview(b"")
        self._keyed.close()

    def _find_last(self, leaves: Buffer, width: int) -> bytes:
        """Return the last row of each leaf; those wanted begin sorted rows of ``width`` bytes."""
        return self._keep_last(search_rows(leaves, width, self._rows, _ROW.size, _HASH))

    def _keep_last(self, rows: bytes) -> bytes:
        """Return those of sorted rows that no later entry replaces, without forgotten ones."""
        leaves = {leaf for leaf, _, _ in _ROW.iter_unpack(rows)}
        if len(leaves) * _ROW.size == len(rows) and leaves.isdisjoint(self._forgotten):
            return rows
        last: dict[bytes, tuple[bytes, bytes]] = {}
        for leaf, identity, number in _ROW.iter_unpack(rows):
            if leaf not in last or last[leaf][1] < number:
                last[leaf] = identity, number
        for leaf in self._forgotten & last.keys():
            del last[leaf]
        return b"".join(_ROW.pack(leaf, *rest) for leaf, rest in last.items())


def join_pairs(entries: Iterable[Entry]) -> bytes:
    """Return the leaf and the identity of each entry, as ``LeafOwners.compare`` takes them."""
    return b"".join([entry.leaf + entry.identity for entry in entries])


def _split(parts: Sequence[memoryview]) -> Iterator[list[memoryview]]:
    """Yield slices of sorted parts, so that all rows of a leaf are in slices that come together."""
    count = sum(map(len, parts)) // _ROW.size // _BATCH + 1
    starts = [0] * len(parts)
    for number in range(1, count + 1):
        if number < count:
            # Leaves are hashes, and so the slices have about as many rows each.
            bound = ((number << 32) // count).to_bytes(4, "big")
            ends = [_find_start(part, bound) for part in parts]
        else:
            ends = [len(part) for part in parts]
        yield [part[start:end] for part, start, end in zip(parts, starts, ends, strict=True)]
        starts = ends


def _find_start(rows: memoryview, bound: bytes) -> int:
    """Return the offset of the first row that is not less than ``bound``."""

    def read(offset: int) -> bytes:
        return bytes(rows[offset : offset + _HASH])

    offsets = range(0, len(rows), _ROW.size)
    at = bisect_left(offsets, bound, key=read)
    return at * _ROW.size


def _store(parts: Iterable[bytes]) -> memoryview:
    """Write to a temporary file, which is removed when the view of it that is returned is."""
    with tempfile.TemporaryFile() as file:
        for part in parts:
            file.write(part)
        file.flush()
        if not file.tell():
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
