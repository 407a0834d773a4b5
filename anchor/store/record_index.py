"""The index of records: pieces by the SHA-256 of their record, or its beginning, and by leaf.

It is derived from the runs and follows them.  What is not entered yet is searched piece by piece.

Entries have the first 80 bits, as many as a preservation number; of longer numbers the pieces
decide.  The entries of erased evidence stay: the record's random salt is gone, and its number still
leads to the leaf that is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from struct import Struct

from sqlalchemy import Connection

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.store import fingerprints
from anchor.store.columns import HASH, Run
from anchor.store.database import Database
from anchor.store.fingerprint_pages import SHORT_KEY, About, decode_entries
from anchor.store.log_following import SLICE, count_followed, follow_log
from anchor.store.runs import find_end, find_run_end, load_pieces, load_runs
from anchor.store.schema import record_index
from anchor.store.sorted_rows import NUMBER_SIZE, number_rows, search_rows, sort_rows, split_rows

RECORD, LEAF = About.RECORD, About.LEAF

# After any index.
_END = (1 << 8 * NUMBER_SIZE) - 1
# The beginning of a leaf.
_SHORT = Struct(f"{SHORT_KEY}s{HASH - SHORT_KEY}x")

MOST_UNINDEXED = 4 * SLICE
"""Pieces that a look-up searches one by one before it gives up: some ten milliseconds."""


def enter_records(database: Database, report: Callable[[int], None] = lambda _: None) -> int:
    """Enter every piece that is accepted by now; return how many were new to the index.

    ``report`` is called with the number of entered pieces after each transaction.
    """
    return follow_log(database, record_index, _enter_slice, report)


def count_indexed(connection: Connection) -> int:
    """Return how many pieces, the first ones, are in the index."""
    return count_followed(connection, record_index)


def find_records(
    connection: Connection, prefix: bytes, most: int | None = MOST_UNINDEXED
) -> list[int]:
    """Return the indices of the pieces whose record's SHA-256 begins with ``prefix``, in order.

    Of erased records only the first 80 bits are known.  Without ``most``, all pieces that are not
    entered yet are searched, however many they are.

    Raises:
        CannotCheckError: None is entered, and more than ``most`` pieces are not entered yet.
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


def _enter_slice(connection: Connection, start: int, end: int) -> int:
    # Up to where a run ends: its records are made once.
    end = min(end, max(find_run_end(connection, start + SLICE - 1), start + SLICE))
    # Damage is what `anchor audit` reports; it must not keep the other pieces from being found.
    parts = list(load_runs(connection, start, end, skipped=lambda _: None))
    for about in (RECORD, LEAF):
        entries = b"".join(list_record_entries(run, about, start=start, stop=end) for run in parts)
        fingerprints.insert(connection, about, entries)
    return end


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
