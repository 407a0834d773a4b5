"""Exact look-up of 32-byte keys: identities, digests, sources, records and leaves of pieces.

An index over random keys writes a page of the database for each key.  Here, entries are kept in
sorted runs, which are merged as more come (a log-structured merge tree: O'Neil et al., 1996), and a
key is looked up in each run.  The runs' pages are rows of the store's own database, and merging is
part of the transactions that insert, so that a crash at any point leaves nothing to repair.

Small insertions rewrite a young page, which becomes a run when it is full.  The tables are
described in ``fingerprint_pages``, the merging in ``fingerprint_merges``.

Callers that change fingerprints hold the intake lock.  Others read from one snapshot, in which the
list of runs and their pages agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from anchor.log.batch_sha256 import Buffer
from anchor.store.bloom_filter import hash_keys
from anchor.store.fingerprint_filters import filters_of, is_changing, mark_changing
from anchor.store.fingerprint_merges import advance_merges, merge_runs
from anchor.store.fingerprint_pages import (
    AFTER_KEY,
    ENTRY,
    KEY,
    PAGE_ENTRIES,
    About,
    Pages,
    decode_entries,
    encode_entry,
)
from anchor.store.fingerprint_search import Search
from anchor.store.sorted_rows import merge_rows, search_rows, sort_rows, split_rows

YOUNG_ENTRIES = PAGE_ENTRIES // 2
"""With so many entries, the young page becomes a run.  Each small commit rewrites all of it."""

# Entries loaded at once when all are read.
_ENTRIES_AT_ONCE = 1 << 16


def insert(connection: Connection, about: About, entries: Buffer) -> None:
    """Insert entries of ``about.entry`` bytes, back to back and in any order.

    None of them is stored yet.  SM3 digests and sources may have several indices; an identity has
    one, and the caller has found it to be new.

    Raises:
        ValueError: ``entries`` is not a whole number of entries.
    """
    rows = sort_rows(entries, about.entry)
    if not rows:
        return
    mark_changing(connection)
    pages = Pages(connection, about.entry)
    young = pages.load_young(about)
    rows = merge_rows((young, rows), about.entry)
    size = len(rows) // about.entry
    if size < YOUNG_ENTRIES:
        pages.save_young(about, rows)
        return
    if young:
        pages.save_young(about, b"")
    pages.add_run(about, rows)
    advance_merges(pages, about, size)


def find(connection: Connection, about: About, keys: Iterable[bytes]) -> dict[bytes, list[int]]:
    """Return the indices of each stored key, in ascending order.

    Raises:
        ValueError: A key does not have 32 bytes.
    """
    indices: dict[bytes, list[int]] = {}
    wanted = b"".join(encode_entry(key, 0) for key in sorted(keys))
    for key, index in decode_entries(find_entries(connection, about, wanted, ENTRY)):
        indices.setdefault(key, []).append(index)
    return indices


def find_entries(connection: Connection, about: About, rows: Buffer, width: int = KEY) -> bytes:
    """Return, in order and back to back, the stored entries whose key is that of a row.

    ``rows`` are sorted rows of ``width`` bytes that begin with a key.

    Raises:
        ValueError: Keys of this kind are short, ``width`` is less than 32, or ``rows`` is not a
            whole number of rows.
    """
    if about.entry != ENTRY:
        raise ValueError("short keys are found by a prefix")
    if width < KEY:
        raise ValueError(f"a row begins with a key of {KEY} bytes")
    view = memoryview(rows).cast("B")
    pages = Pages(connection)
    filters = filters_of(connection)
    live = pages.list_live(about)
    filters.keep_live(about, live)
    matches = [search_rows(view, width, pages.load_young(about), ENTRY, KEY)]
    if len(view):
        search = Search(
            pages=pages,
            filters=filters,
            rows=view,
            width=width,
            hashes=hash_keys(view, width, filters.seed),
            is_committed=not is_changing(connection),
        )
        matches += filter(None, search.search(live))
    return merge_rows(matches, ENTRY)


def find_prefix(connection: Connection, about: About, prefix: bytes) -> list[tuple[bytes, int]]:
    """Return the key and index of each entry that begins with ``prefix``, in order.

    Raises:
        ValueError: ``prefix`` is empty, or longer than a key.
    """
    size, entry = len(prefix), about.entry
    if not 1 <= size <= entry - len(AFTER_KEY):
        raise ValueError(f"a prefix has 1 to {entry - len(AFTER_KEY)} bytes, not {size}")
    pages = Pages(connection, entry)
    parts = [pages.load_young(about)]
    high = prefix.ljust(entry, b"\xff")
    last = pages.load_pages_of({run.run: [high] for run in pages.list_live(about)})
    for run, bodies in last.items():
        for body in bodies:
            parts.append(body)
            # If a page begins with such an entry, the one before may end with another.
            while body[:size] == prefix:
                body = pages.load_page_before(run, body[:entry])
                parts.append(body)
    matches = [search_rows(prefix, size, part, entry, size) for part in parts]
    return list(decode_entries(merge_rows(matches, entry), entry))


def remove(connection: Connection, about: About, entries: Iterable[tuple[bytes, int]]) -> None:
    """Erase entries from every page that has them, also from pages that are no longer searched.

    Only long keys are removed.  A merge under way stays correct, because the entries disappear from
    its inputs and its output.

    Raises:
        ValueError: A key does not have 32 bytes.
        OverflowError: An index is negative, or has more than six bytes.
    """
    gone = sorted({encode_entry(key, index) for key, index in entries})
    if not gone:
        return
    mark_changing(connection)
    pages = Pages(connection)
    young = pages.load_young(about)
    kept = _subtract(young, gone)
    if kept != young:
        pages.save_young(about, kept)
    for run in pages.list_runs(about):
        removed = _remove_from_run(pages, run.run, gone)
        if removed:
            pages.subtract_entries(run.run, removed)


def count(connection: Connection, about: About) -> int:
    """Return the number of entries, as the list of runs states it."""
    pages = Pages(connection, about.entry)
    young = len(pages.load_young(about)) // about.entry
    return young + sum(run.entries for run in pages.list_live(about))


def load_entries(connection: Connection, about: About) -> Iterator[bytes]:
    """Yield all entries in order, some back to back at a time."""
    entry = about.entry
    pages = Pages(connection, entry)
    young = pages.load_young(about)
    after = b""
    for rows in merge_runs(pages, pages.list_live(about), most=_ENTRIES_AT_ONCE):
        yield merge_rows((rows, young), entry, after=after, until=rows[-entry:])
        after = rows[-entry:]
    rest = merge_rows((young,), entry, after=after)
    if rest:
        yield rest


def _remove_from_run(pages: Pages, run: int, gone: Sequence[bytes]) -> int:
    """Erase sorted entries from a run's pages; return how many it had."""
    removed = 0
    last = b""
    for entry in gone:
        if entry <= last:
            continue  # in the page before, if it was anywhere
        body = pages.load_page_of(run, entry)
        if not body:
            continue
        last = body[-ENTRY:]
        kept = _subtract(body, gone)
        if kept != body:
            pages.replace_page(run, body[:ENTRY], kept)
            removed += (len(body) - len(kept)) // ENTRY
    return removed


def _subtract(rows: bytes, gone: Sequence[bytes]) -> bytes:
    """Return the rows that are not among the sorted entries ``gone``."""
    if not search_rows(b"".join(gone), ENTRY, rows, ENTRY, ENTRY):
        return rows
    erased = frozenset(gone)
    return b"".join(row for row in split_rows(rows, ENTRY) if row not in erased)
