"""The index of records: pieces by the SHA-256 of their record, or its beginning, and by leaf.

It is derived from the runs and follows them: intake writes nothing of it.  Each round of the
operator's work enters what was accepted since, some thousand pieces in a transaction, in which the
position moves with the entries; a crash leaves a shorter index, which the next call continues.  So
does the store of an earlier release, whose index is empty.  What is not entered yet is searched
piece by piece.

Entries have the first 80 bits, as many as a preservation number; of longer numbers the pieces
decide.  The entries of erased evidence stay: the record's random salt is gone, and its number still
leads to the leaf that is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from struct import Struct

from sqlalchemy import Connection, insert, select, update

from anchor.errors import CannotCheckError
from anchor.messages.message import Message
from anchor.store import fingerprints
from anchor.store.columns import HASH, Run
from anchor.store.database import Database
from anchor.store.fingerprint_pages import SHORT_KEY, About, decode_entries
from anchor.store.runs import find_end, find_run_end, load_pieces, load_runs, lock_intake
from anchor.store.schema import record_index
from anchor.store.sorted_rows import NUMBER_SIZE, number_rows, search_rows, sort_rows, split_rows

RECORD, LEAF = About.RECORD, About.LEAF

SLICE = 4 * 1024
"""Pieces entered in one transaction, which holds the intake lock for some ten milliseconds."""

# After any index.
_END = (1 << 8 * NUMBER_SIZE) - 1
# The beginning of a leaf.
_SHORT = Struct(f"{SHORT_KEY}s{HASH - SHORT_KEY}x")

MOST_UNINDEXED = 4 * SLICE
"""Pieces that a look-up searches one by one before it gives up: some ten milliseconds."""


def enter_records(database: Database, report: Callable[[int], None] = lambda _: None) -> int:
    """Enter every piece that is accepted by now; return how many were new to the index.

    What is accepted meanwhile waits for the next call: under steady intake, there would be no end.
    ``report`` is called with the number of entered pieces after each transaction.
    """
    with database.read() as connection:
        end = find_end(connection)
        if count_indexed(connection) == end:
            return 0
    count = 0
    while entered := database.write_with_retry(partial(_enter_slice, end=end)):
        # A crash here leaves a shorter index, which the next call continues.
        count += entered
        report(count)
    return count


def count_indexed(connection: Connection) -> int:
    """Return how many pieces, the first ones, are in the index."""
    return int(connection.execute(select(record_index.c.size)).scalar() or 0)


def find_records(
    connection: Connection, prefix: bytes, most: int | None = MOST_UNINDEXED
) -> list[int]:
    """Return the indices of the pieces whose record's SHA-256 begins with ``prefix``, in order.

    Of erased records only the first 80 bits are known.  Without ``most``, all pieces that are not
    entered yet are searched, however many they are.

    Raises:
        CannotCheckError: None is entered, and more than ``most`` pieces are not entered yet.
        ValueError: ``prefix`` is empty.
    """
    pieces = load_pieces(connection, _find(connection, RECORD, prefix[:SHORT_KEY], most))
    return [
        index
        for index, run, at in pieces
        if len(prefix) <= SHORT_KEY
        or not run.has_record(at)
        or hashlib.sha256(run.record(at) or b"").digest().startswith(prefix)
    ]


def find_leaves(
    connection: Connection, leaf: bytes, most: int | None = MOST_UNINDEXED
) -> list[int]:
    """Return the indices of the pieces with this leaf, in order; equal records share one.

    Raises:
        CannotCheckError: None is entered, and more than ``most`` pieces are not entered yet.
        ValueError: ``leaf`` is empty.
    """
    pieces = load_pieces(connection, _find(connection, LEAF, leaf[:SHORT_KEY], most))
    return [index for index, run, at in pieces if run.leaf(at) == leaf]


def list_record_entries(run: Run, about: About, *, start: int = 0, stop: int = _END) -> bytes:
    """Return the entries of a run's pieces from index ``start`` up to ``stop``, in their order."""
    if about is RECORD:
        entries = run.record_entries(SHORT_KEY)
    else:
        keys = b"".join(key for (key,) in _SHORT.iter_unpack(run.leaves))
        entries = number_rows(keys, SHORT_KEY, run.first)
    if start <= run.first and run.end <= stop:
        return entries
    low, high = (bound.to_bytes(NUMBER_SIZE, "big") for bound in (start, stop))
    return b"".join(
        row for row in split_rows(entries, about.entry) if low <= row[SHORT_KEY:] < high
    )


def _enter_slice(connection: Connection, end: int) -> int:
    lock_intake(connection)
    start = count_indexed(connection)
    if start >= end:
        return 0
    # Up to where a run ends: its records are made once.
    end = min(end, max(find_run_end(connection, start + SLICE - 1), start + SLICE))
    # Damage is what `anchor audit` reports; it must not keep the other pieces from being found.
    parts = list(load_runs(connection, start, end, skipped=lambda _: None))
    for about in (RECORD, LEAF):
        entries = b"".join(list_record_entries(run, about, start=start, stop=end) for run in parts)
        fingerprints.insert(connection, about, entries)
    moved = connection.execute(update(record_index).values(size=end))
    if not moved.rowcount:
        connection.execute(insert(record_index).values(id=1, size=end))
    return end - start


def _find(connection: Connection, about: About, prefix: bytes, most: int | None) -> list[int]:
    indices = [index for _, index in fingerprints.find_prefix(connection, about, prefix)]
    start = count_indexed(connection)
    if most is not None and find_end(connection) - start > most:
        if indices:
            return sorted(indices)
        raise CannotCheckError(
            Message("record-index-behind"), hint=Message("record-index-behind-hint")
        )
    for run in load_runs(connection, start):
        entries = sort_rows(list_record_entries(run, about, start=start), about.entry)
        matches = search_rows(prefix, len(prefix), entries, about.entry, len(prefix))
        indices += (index for _, index in decode_entries(matches, about.entry))
    return sorted(indices)
