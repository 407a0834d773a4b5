"""Runs and pages of fingerprints: the statements on their two tables.

An entry is a key of 32 bytes, or of records and leaves its first 10, and the index of a piece in
six bytes, big-endian.  A run is a set of entries, sorted bytewise and cut into pages; ``first`` is
a page's first entry.  Each ``about`` also has a young page, which is rewritten in place: ``run`` is
``about``, and ``first`` is empty.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from anchor.store.sorted_rows import sort_rows

KEY = 32
ENTRY = 38
PAGE_ENTRIES = 208
"""The most entries in a page, with which its row fits a page of PostgreSQL."""
PAGE = PAGE_ENTRIES * ENTRY
SHORT_KEY = 10
"""The bytes of a record's or leaf's hash in an entry, as many as a preservation number has."""
AFTER_KEY = b"\xff" * (ENTRY - KEY)
"""With this behind it, a key is not less than any of its entries."""

# Pages loaded by one statement when a whole run is read.
_PAGES_AT_ONCE = 64
# For fewer pages, PostgreSQL takes longer to set up a COPY than to insert them.
_WORTH_A_COPY = 8
# Numbers of runs are random, so that none is ever used again.  The lowest are for young pages.
_RUN_NUMBERS = range(1 << 16, 1 << 63)


class About(IntEnum):
    """What the keys are."""

    IDENTITY = 1
    SM3 = 2
    SOURCE = 3
    RECORD = 4
    LEAF = 5

    @property
    def entry(self) -> int:
        """The bytes of an entry."""
        return (SHORT_KEY if self in (About.RECORD, About.LEAF) else KEY) + ENTRY - KEY


class State(IntEnum):
    """The state of a run; only live runs are searched."""

    BUILDING = 0
    LIVE = 1
    DEAD = 2


class SortedRun(NamedTuple):
    """A run: its number, its entries so far, its state, and the run it is being merged into."""

    run: int
    entries: int
    state: int
    target: int | None

    @property
    def pages(self) -> int:
        """The fewest pages that can hold its entries."""
        return -(-self.entries // PAGE_ENTRIES)


_LIST = "SELECT run, entries, state, target FROM fingerprint_runs WHERE about = ? ORDER BY run"
_INSERT_RUN = (
    "INSERT INTO fingerprint_runs (run, about, entries, state, target) VALUES (?, ?, ?, ?, NULL)"
)
_ADD = "UPDATE fingerprint_runs SET entries = entries + ? WHERE run = ?"
_SET_TARGET = "UPDATE fingerprint_runs SET target = ? WHERE run = ?"
_SET_STATE = "UPDATE fingerprint_runs SET state = ? WHERE run = ?"
_SET_INPUTS = "UPDATE fingerprint_runs SET state = ?, target = NULL WHERE target = ?"
_DROP_RUN = "DELETE FROM fingerprint_runs WHERE run = ?"

_YOUNG = "SELECT body FROM fingerprints WHERE run = ?"
_SAVE_YOUNG = (
    "INSERT INTO fingerprints (run, first, body) VALUES (?, ?, ?) "
    "ON CONFLICT (run, first) DO UPDATE SET body = excluded.body"
)
_LAST = "SELECT body FROM fingerprints WHERE run = ? ORDER BY first DESC LIMIT 1"
_PAGE_OF = "SELECT body FROM fingerprints WHERE run = ? AND first <= ? ORDER BY first DESC LIMIT 1"
_PAGE_BEFORE = (
    "SELECT body FROM fingerprints WHERE run = ? AND first < ? ORDER BY first DESC LIMIT 1"
)
_PAGES_AFTER = "SELECT body FROM fingerprints WHERE run = ? AND first > ? ORDER BY first LIMIT ?"
# Each page is found and loaded by the index, whatever the planner assumes.
_PAGES_OF_ALL = (
    "SELECT p.run, f.body FROM (SELECT DISTINCT k.run, (SELECT g.first FROM fingerprints g "
    "WHERE g.run = k.run AND g.first <= k.key ORDER BY g.first DESC LIMIT 1) AS first "
    "FROM unnest(?::bigint[], ?::bytea[]) AS k (run, key)) p CROSS JOIN LATERAL "
    "(SELECT body FROM fingerprints WHERE run = p.run AND first = p.first LIMIT 1) f"
)
_ROWS_AFTER = (
    "SELECT first, body FROM fingerprints WHERE run = ? AND first > ? ORDER BY first LIMIT ?"
)
_INSERT = "INSERT INTO fingerprints (run, first, body) VALUES (?, ?, ?)"
_COPY = b"COPY fingerprints (run, first, body) FROM STDIN (FORMAT BINARY)"
_UPDATE = "UPDATE fingerprints SET body = ? WHERE run = ? AND first = ?"
_DELETE = "DELETE FROM fingerprints WHERE run = ? AND first = ?"
_NTH_FIRST = "SELECT first FROM fingerprints WHERE run = ? ORDER BY first LIMIT 1 OFFSET ?"
_DELETE_BEFORE = "DELETE FROM fingerprints WHERE run = ? AND first < ?"
_DELETE_ALL = "DELETE FROM fingerprints WHERE run = ?"


class Pages:
    """The pages of one database, read and written in the transaction of ``connection``."""

    def __init__(self, connection: Connection, entry: int = ENTRY) -> None:
        """Take the driver's cursor: SQLAlchemy's overhead is larger than the look-up of a page.

        Entries have ``entry`` bytes.
        """
        self.entry = entry
        self._is_postgresql = connection.dialect.name == "postgresql"
        driver: Any = connection.connection
        if self._is_postgresql:
            self._cursor = driver.driver_connection.cursor(binary=True)
        else:
            self._cursor = driver.cursor()

    @property
    def page(self) -> int:
        """The most bytes of a page."""
        return PAGE // self.entry * self.entry

    # Runs

    def list_runs(self, about: About) -> list[SortedRun]:
        """Return all runs, by their number."""
        return [SortedRun(*row) for row in self._run(_LIST, about)]

    def list_live(self, about: About) -> list[SortedRun]:
        """Return the runs that together hold every entry not in the young page."""
        return [run for run in self.list_runs(about) if run.state == State.LIVE]

    def add_run(self, about: About, rows: bytes) -> None:
        """Store sorted entries as a live run."""
        run = secrets.choice(_RUN_NUMBERS)
        self._run(_INSERT_RUN, run, about, len(rows) // self.entry, State.LIVE)
        self._insert_pages(run, rows)

    def start_merge(self, about: About, inputs: Sequence[SortedRun]) -> None:
        """Store an empty run that is being built from ``inputs``."""
        target = secrets.choice(_RUN_NUMBERS)
        self._run(_INSERT_RUN, target, about, 0, State.BUILDING)
        for each in inputs:
            self._run(_SET_TARGET, target, each.run)

    def extend_run(self, run: int, rows: bytes) -> None:
        """Append sorted entries, all greater than those of the run."""
        self._run(_ADD, len(rows) // self.entry, run)
        self._insert_pages(run, rows)

    def finish_merge(self, target: int) -> None:
        """Make the run that was built live, and those it was built from dead."""
        self._run(_SET_STATE, State.LIVE, target)
        self._run(_SET_INPUTS, State.DEAD, target)

    def delete_some(self, run: int, most: int) -> int:
        """Delete up to ``most`` pages of a dead run, and the run with the last of them.

        Returns how many pages were deleted.
        """
        for (bound,) in self._run(_NTH_FIRST, run, most):
            self._run(_DELETE_BEFORE, run, bound)
            return most
        self._run(_DELETE_ALL, run)
        deleted: int = self._cursor.rowcount
        self._run(_DROP_RUN, run)
        return deleted

    # The young page

    def load_young(self, about: About) -> bytes:
        """Return the entries of the young page."""
        return b"".join(body for (body,) in self._run(_YOUNG, about))

    def save_young(self, about: About, rows: bytes) -> None:
        """Replace the young page; with no entries, delete it."""
        if rows:
            self._run(_SAVE_YOUNG, about, b"", rows)
        else:
            self._run(_DELETE_ALL, about)

    # Pages of a run

    def load_last_entry(self, run: int) -> bytes:
        """Return the run's greatest entry; empty if it has none."""
        return b"".join(body[-self.entry :] for (body,) in self._run(_LAST, run))

    def load_page_of(self, run: int, bound: bytes) -> bytes:
        """Return the last page that begins with ``bound`` or before it; empty if none does."""
        return b"".join(body for (body,) in self._run(_PAGE_OF, run, bound))

    def load_page_before(self, run: int, first: bytes) -> bytes:
        """Return the page before the one that begins with ``first``; empty if that is the first."""
        return b"".join(body for (body,) in self._run(_PAGE_BEFORE, run, first))

    def load_pages_after(self, run: int, first: bytes, most: int) -> list[bytes]:
        """Return up to ``most`` pages after the one that begins with ``first``."""
        return [body for (body,) in self._run(_PAGES_AFTER, run, first, most)]

    def load_pages_of(self, bounds: Mapping[int, Sequence[bytes]]) -> dict[int, list[bytes]]:
        """Return for the sorted bounds of each run what ``load_page_of`` does, each page once."""
        bodies: dict[int, list[bytes]] = {run: [] for run in bounds}
        if self._is_postgresql:
            # One statement for all of them: a look-up costs the server less than a question.
            pairs = [(run, key) for run, keys in bounds.items() for key in keys]
            if pairs:
                runs, wanted = map(list, zip(*pairs, strict=True))
                for run, body in self._run(_PAGES_OF_ALL, runs, wanted):
                    bodies[run].append(body)
            return bodies
        for run, keys in bounds.items():
            pages = bodies[run]
            for key in keys:
                if pages and key <= pages[-1][-self.entry :]:
                    continue
                body = self.load_page_of(run, key)
                if body and (not pages or body[: self.entry] != pages[-1][: self.entry]):
                    pages.append(body)
        return bodies

    def load_run(self, run: int) -> Iterator[bytes]:
        """Yield the entries of a run in order, those of some pages at a time."""
        after = b""
        while bodies := self.load_pages_after(run, after, _PAGES_AT_ONCE):
            yield b"".join(bodies)
            after = bodies[-1][: self.entry]

    def is_whole(self, run: SortedRun) -> bool:
        """Return whether a run's pages fit each other and its row, as every look-up assumes."""
        last, after, entries = b"", b"", 0
        while rows := self._run(_ROWS_AFTER, run.run, after, _PAGES_AT_ONCE):
            for first, body in rows:
                if body[: self.entry] != first or first <= last or not self.is_sorted(body):
                    return False
                last = body[-self.entry :]
                entries += len(body) // self.entry
            after = rows[-1][0]
        return entries == run.entries

    def is_sorted(self, body: bytes) -> bool:
        """Return whether a page holds whole entries in order."""
        return len(body) % self.entry == 0 and sort_rows(body, self.entry) == body

    def replace_page(self, run: int, first: bytes, kept: bytes) -> None:
        """Replace the page that begins with ``first`` by part of its entries."""
        if kept[:ENTRY] == first:
            self._run(_UPDATE, kept, run, first)
            return
        self._run(_DELETE, run, first)
        if kept:
            self._run(_INSERT, run, kept[:ENTRY], kept)

    def subtract_entries(self, run: int, count: int) -> None:
        """Note that the run has fewer entries."""
        self._run(_ADD, -count, run)

    def _insert_pages(self, run: int, rows: bytes) -> None:
        pages = [
            (run, rows[start : start + self.entry], rows[start : start + self.page])
            for start in range(0, len(rows), self.page)
        ]
        if self._is_postgresql and len(pages) >= _WORTH_A_COPY:
            with self._cursor.copy(_COPY) as copy:
                copy.set_types(["int8", "bytea", "bytea"])
                for page in pages:
                    copy.write_row(page)
        elif pages:
            self._cursor.executemany(self._translate(_INSERT), pages)

    def _run(self, statement: str, *values: object) -> list[Any]:
        """Run a statement; return its rows."""
        self._cursor.execute(self._translate(statement), values)
        return self._cursor.fetchall() if self._cursor.description else []

    def _translate(self, statement: str) -> str | bytes:
        return _translate(statement) if self._is_postgresql else statement


@lru_cache
def _translate(statement: str) -> bytes:
    """Return the statement with psycopg's placeholders."""
    return statement.replace("?", "%s").encode()


def encode_entry(key: bytes, index: int) -> bytes:
    """Return the entry of a key and an index.

    Raises:
        ValueError: The key does not have 32 bytes.
        OverflowError: The index is negative, or has more than six bytes.
    """
    if len(key) != KEY:
        raise ValueError(f"a key has {KEY} bytes, not {len(key)}")
    return key + index.to_bytes(ENTRY - KEY, "big")


def decode_entries(rows: bytes, entry: int = ENTRY) -> Iterable[tuple[bytes, int]]:
    """Yield the key and index of each entry of ``entry`` bytes."""
    for start in range(0, len(rows), entry):
        middle, end = start + entry - ENTRY + KEY, start + entry
        yield rows[start:middle], int.from_bytes(rows[middle:end], "big")
