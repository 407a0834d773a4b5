"""A store that keeps pieces as columns: the prototype that `scripts/compare_stores.py` measures.

The same code runs on SQLite and PostgreSQL.  One row of ``runs`` holds the columns of some thousand
pieces with consecutive ids, and a piece's id is its place in the log.  Duplicates are found in
``fingerprints``: sorted runs of whole identities, which are merged in the background.  A run is
immutable until it is dropped, so that what a process keeps of it in memory never becomes wrong.

numpy stands in for the native code that a product would use.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint8]
"""An array of 32-byte values, one a row."""
Words = NDArray[np.uint64]

HASH = 32
HALF = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """Bare digests to accept in one transaction, as columns; the texts hold for all of them."""

    identities: Rows
    digests: Rows
    salts: Rows
    leaves: Rows
    tenant: str = "acme"
    accepted_at: str = "2026-01-01T00:00:00.000Z"
    source: str = "tenant:acme/"

    def __len__(self) -> int:
        return len(self.identities)

    def take(self, places: NDArray[Any] | slice) -> Batch:
        """Return the pieces at ``places``."""
        columns = (self.identities, self.digests, self.salts, self.leaves)
        texts = (self.tenant, self.accepted_at, self.source)
        return Batch(*(column[places] for column in columns), *texts)


class Piece(NamedTuple):
    """One stored piece."""

    id: int
    identity: bytes
    digest: bytes
    salt: bytes
    leaf: bytes


class Sql(Protocol):
    """A database as the store uses it; statements have ``?`` for each value."""

    blob: str
    inline: str

    def run(self, statement: str, *values: object) -> list[Any]:
        """Run a statement; return its rows."""

    def write(self) -> Any:
        """Hold the writers' lock for one transaction, which is durable when the block ends."""

    def read(self) -> Any:
        """Read from one snapshot."""

    def merging(self) -> Any:
        """Yield whether this process alone may merge while the block runs."""

    def reclaim(self) -> None:
        """Return the space of dropped runs to the database, for new rows."""

    def size(self) -> int:
        """Return the bytes on disk."""

    def close(self) -> None:
        """Close the connection."""


class Entries(NamedTuple):
    """Fingerprints sorted by identity: whole identities, and ids."""

    identities: Rows
    ids: Words

    @property
    def first_words(self) -> Words:
        """The identities' first eight bytes as numbers, which sort alike."""
        return word(self.identities, 0)

    def encode(self) -> bytes:
        """Return the entries as bytes: the identities back to back, then six bytes an id."""
        ids = self.ids.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :6]
        return self.identities.tobytes() + ids.tobytes()


def decode_entries(bodies: Sequence[bytes]) -> Entries:
    """Return the entries of pages, in their order."""
    identities, ids = [], []
    for body in bodies:
        data = np.frombuffer(body, np.uint8)
        count = len(data) // (HASH + 6)
        identities.append(data[: count * HASH].reshape(-1, HASH))
        wide = np.zeros((count, 8), np.uint8)
        wide[:, :6] = data[count * HASH :].reshape(-1, 6)
        ids.append(wide.view("<u8").ravel())
    if not bodies:
        return Entries(np.zeros((0, HASH), np.uint8), np.zeros(0, np.uint64))
    return Entries(np.concatenate(identities), np.concatenate(ids))


def word(rows: Rows, at: int) -> Words:
    """Return eight bytes of each row as big-endian numbers."""
    return np.ascontiguousarray(rows[:, at : at + 8]).view(">u8").ravel().astype(np.uint64)


def sort_places(identities: Rows) -> NDArray[np.intp]:
    """Return the places of identities in sorted order; equal ones keep their order."""
    first = word(identities, 0)
    places = np.argsort(first, kind="stable")
    ordered = first[places]
    if (ordered[1:] == ordered[:-1]).any():
        places = np.lexsort([word(identities, at) for at in (24, 16, 8)] + [first])
    return places


class Filter:
    """A Bloom filter over one run: false for most identities that the run does not hold."""

    def __init__(self, identities: Rows) -> None:
        size = 1 << max(4, (len(identities) // 3).bit_length())  # 21 to 43 bits an identity
        self._bits = np.zeros(size, np.uint64)
        self._mask = np.uint64(size - 1)
        for block, bits in self._find(identities):
            np.bitwise_or.at(self._bits, block, bits)

    def _find(self, identities: Rows) -> Iterator[tuple[Words, Words]]:
        # From the half that a submitter cannot choose.
        for at in (16, 24):
            hashed = word(identities, at)
            bits = np.zeros(len(hashed), np.uint64)
            for shift in (40, 46, 52, 58):
                place = (hashed >> np.uint64(shift)) & np.uint64(63)
                bits |= np.uint64(1) << place
            yield hashed & self._mask, bits

    def admits(self, identities: Rows) -> NDArray[np.bool_]:
        """Return for each identity whether the run may hold it."""
        answer = np.ones(len(identities), np.bool_)
        for block, bits in self._find(identities):
            answer &= (self._bits[block] & bits) == bits
        return answer


class Settings(NamedTuple):
    """Sizes of the layout: pieces in a row, fingerprints in a page, runs merged at once."""

    row: int = 4_096
    page: int = 208  # with which a row fits a page of PostgreSQL
    fan: int = 8


TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    first BIGINT PRIMARY KEY, pieces INTEGER NOT NULL,
    tenant TEXT, accepted_at TEXT, source TEXT,
    digests {blob}, tails {blob}, salts {blob}, leaves {blob} NOT NULL, erased {blob}
);
CREATE TABLE IF NOT EXISTS fingerprint_runs (
    run BIGINT PRIMARY KEY, level INTEGER NOT NULL, live INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS fingerprints (
    run BIGINT, first {inline}, body {inline}, PRIMARY KEY (run, first)
);
CREATE TABLE IF NOT EXISTS state (
    id INTEGER PRIMARY KEY, next BIGINT, sealed BIGINT, next_run BIGINT
);
INSERT INTO state VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING
"""
# In each live run, the page in which an identity would be: a subquery, for an index look-up each.
_PAGE_OF_EACH = (
    "SELECT r.run, (SELECT f.body FROM fingerprints f WHERE f.run = r.run AND f.first <= ? "
    "ORDER BY f.first DESC LIMIT 1) FROM fingerprint_runs r WHERE r.live = 1"
)
_PAGES_BETWEEN = "SELECT body FROM fingerprints WHERE run = ? AND first > ? AND first <= ?"
_PAGE = "SELECT body FROM fingerprints WHERE run = ? AND first <= ? ORDER BY first DESC LIMIT 1"
_PAGES = "SELECT body FROM fingerprints WHERE run = ? AND first > ? ORDER BY first LIMIT ?"
_ROW = (
    "SELECT first, digests, tails, salts, leaves, erased FROM runs WHERE first <= ? "
    "ORDER BY first DESC LIMIT 1"
)
_RUNS_FROM = "SELECT first, pieces, COLUMNS FROM runs WHERE first >= ? ORDER BY first LIMIT 16"
# Pages read or written at once.
_STEP = 256


class ColumnStore:
    """Pieces as columns, in a database."""

    def __init__(self, sql: Sql, settings: Settings, tell: Any = lambda _: None) -> None:
        self._sql = sql
        self._settings = settings
        self._tell = tell
        self._filters: dict[int, Filter] = {}
        with sql.write():
            for statement in TABLES.format(blob=sql.blob, inline=sql.inline).split(";"):
                sql.run(statement)

    # Intake

    def accept(self, batch: Batch) -> int:
        """Store the pieces whose identity is new, in order; return how many were new."""
        order = sort_places(batch.identities)
        with self._sql.write():
            kept = self._pick_new(batch.identities, order)
            made = self._insert(batch, kept) if len(kept) else {}
            # A crash here: nothing of the batch is stored, and nothing was acknowledged.
        # A crash here: the batch and its fingerprints are stored together; the merge is due.
        # Not before the commit: of a transaction that fails, another one takes the run's number.
        self._filters |= made
        self.merge()
        return len(kept)

    def _pick_new(self, identities: Rows, order: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the places of new identities, each once, sorted by identity."""
        ordered = identities[order]
        is_new = np.ones(len(order), np.bool_)
        is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        live = self._live_runs()
        self._filters = {run: self._filters[run] for run in live if run in self._filters}
        for run, level in live.items():
            if run not in self._filters:
                self._filters[run] = Filter(self._load_run(run).identities)
            asked = np.flatnonzero(is_new)
            asked = asked[self._filters[run].admits(ordered[asked])]
            if len(asked):
                is_new[asked[self._holds(run, level, ordered[asked])]] = False
        return order[is_new]

    def _live_runs(self) -> dict[int, int]:
        """Return the level of each live run."""
        return dict(self._sql.run("SELECT run, level FROM fingerprint_runs WHERE live = 1"))

    def _load_run(self, run: int) -> Entries:
        return decode_entries([body for part in self._read_parts(run) for body in part])

    def _read_parts(self, run: int) -> Iterator[list[bytes]]:
        """Yield the run's pages in order, some at once."""
        after = b""
        while rows := self._sql.run(_PAGES, run, after, _STEP):
            bodies = [body for (body,) in rows]
            yield bodies
            after = bodies[-1][:HASH]

    def _holds(self, run: int, level: int, asked: Rows) -> NDArray[np.bool_]:
        """Return for each of the sorted identities whether the run holds it."""
        held = np.zeros(len(asked), np.bool_)
        pages = self._settings.fan**level // self._settings.page
        if len(asked) > 16 + pages // 4:  # then reading the whole run costs less
            words = word(asked, 0)
            for part in self._read_parts(run):
                entries = decode_entries(part)
                found = entries.first_words
                start, end = np.searchsorted(words, found[[0, -1]], side="left")
                end = np.searchsorted(words, found[-1], side="right")
                held[start:end] |= _find_in(entries.identities, found, asked[start:end])
            return held
        for place, identity in enumerate(asked):
            for (body,) in self._sql.run(_PAGE, run, identity.tobytes()):
                entries = decode_entries([body])
                held[place] = _find_in(
                    entries.identities, entries.first_words, asked[place : place + 1]
                )[0]
        return held

    def _insert(self, batch: Batch, kept: NDArray[np.intp]) -> dict[int, Filter]:
        """Insert the pieces at ``kept`` (sorted by identity) in the order of the batch.

        Returns the filter of their run, by its number.
        """
        ((first, run),) = self._sql.run("SELECT next, next_run FROM state")
        in_order = np.sort(kept)
        new = batch.take(in_order)
        for start in range(0, len(new), self._settings.row):
            part = new.take(slice(start, start + self._settings.row))
            self._sql.run(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                first + start, len(part), part.tenant, part.accepted_at, part.source,
                part.digests.tobytes(), part.identities[:, HALF:].tobytes(),
                part.salts.tobytes(), part.leaves.tobytes(),
            )  # fmt: skip
        ids = first + np.searchsorted(in_order, kept)
        entries = Entries(batch.identities[kept], ids.astype(np.uint64))
        self._sql.run("UPDATE state SET next = ?, next_run = ?", first + len(new), run + 1)
        self._sql.run("INSERT INTO fingerprint_runs VALUES (?, ?, 1)", run, self._level(len(new)))
        self._write_pages(run, entries, 0, len(entries.ids))
        return {run: Filter(entries.identities)}

    def _level(self, count: int) -> int:
        level = 0
        while count >= self._settings.fan ** (level + 1):
            level += 1
        return level

    def _write_pages(self, run: int, entries: Entries, start: int, end: int) -> None:
        for at in range(start, end, self._settings.page):
            stop = min(at + self._settings.page, end)
            page = Entries(entries.identities[at:stop], entries.ids[at:stop])
            first = page.identities[0].tobytes()
            self._sql.run("INSERT INTO fingerprints VALUES (?, ?, ?)", run, first, page.encode())

    # Merging

    def merge(self) -> None:
        """Merge runs of a level that has too many; another process may do it meanwhile."""
        while self._find_due():
            with self._sql.merging() as is_alone:
                if not is_alone:
                    return
                self._drop_dead()
                inputs = self._find_due()
                if inputs:
                    self._tell("merging")
                    self._merge(inputs)
                    self._tell("merged")

    def _find_due(self) -> list[int]:
        rows = self._sql.run("SELECT run, level FROM fingerprint_runs WHERE live = 1 ORDER BY run")
        levels: dict[int, list[int]] = {}
        for run, level in rows:
            levels.setdefault(level, []).append(run)
        fan = self._settings.fan
        return next((runs for _, runs in sorted(levels.items()) if len(runs) >= fan), [])

    def _drop_dead(self) -> None:
        """Drop what a merge that ended early has left, or a finished one no longer needs."""
        for (run,) in self._sql.run("SELECT run FROM fingerprint_runs WHERE live = 0"):
            with self._sql.write():
                self._sql.run("DELETE FROM fingerprints WHERE run = ?", run)
                self._sql.run("DELETE FROM fingerprint_runs WHERE run = ?", run)

    def _merge(self, inputs: list[int]) -> None:
        # Without the writers' lock: runs do not change.  (A product would merge slice by slice.)
        parts = [self._load_run(run) for run in inputs]
        identities = np.concatenate([part.identities for part in parts])
        ids = np.concatenate([part.ids for part in parts])
        places = sort_places(identities)
        merged = Entries(identities[places], ids[places])
        with self._sql.write():
            ((target,),) = self._sql.run("SELECT next_run FROM state")
            self._sql.run("UPDATE state SET next_run = next_run + 1")
            # Not live: nobody reads it before it is complete.
            level = self._level(len(merged.ids))
            self._sql.run("INSERT INTO fingerprint_runs VALUES (?, ?, 0)", target, level)
        step = _STEP * self._settings.page
        for start in range(0, len(merged.ids), step):
            with self._sql.write():
                if not self._sql.run("SELECT 1 FROM fingerprint_runs WHERE run = ?", target):
                    return  # an erasure has dropped it
                self._write_pages(target, merged, start, min(start + step, len(merged.ids)))
            # A crash here, or anywhere above: the next merge drops the incomplete run.
        made = Filter(merged.identities)
        with self._sql.write():
            # An erasure meanwhile has changed the inputs, and dropped what is not live.
            if self._sql.run("SELECT 1 FROM fingerprint_runs WHERE run = ?", target):
                self._sql.run("UPDATE fingerprint_runs SET live = 1 WHERE run = ?", target)
                for run in inputs:
                    self._sql.run("UPDATE fingerprint_runs SET live = 0 WHERE run = ?", run)
                self._filters[target] = made
            # A crash here: either the inputs are live, or the merged run; never both.
        self._drop_dead()
        self._sql.reclaim()

    # Look-ups

    def find(self, identity: bytes) -> Piece | None:
        """Return the piece with this identity."""
        with self._sql.read():
            for id in self._find_ids(identity, identity):
                return self._load(id)
        return None

    def find_digest(self, digest: bytes) -> list[int]:
        """Return the ids of the pieces with this digest."""
        with self._sql.read():
            low, high = digest[:HALF] + bytes(HALF), digest[:HALF] + b"\xff" * HALF
            return [id for id in self._find_ids(low, high) if self._load(id).digest == digest]

    def _find_ids(self, low: bytes, high: bytes) -> list[int]:
        found = []
        for body in self._find_pages(low, high):
            count = len(body) // (HASH + 6)
            left, right = _bisect(body, low, count), _bisect(body, high + b"\0", count)
            for place in range(left, right):
                at = count * HASH + place * 6
                found.append(int.from_bytes(body[at : at + 6], "little"))
        return sorted(found)

    def _find_pages(self, low: bytes, high: bytes) -> Iterator[bytes]:
        """Yield every page that may hold identities from ``low`` to ``high``."""
        for run, body in self._sql.run(_PAGE_OF_EACH, low):
            if body is not None:
                yield body
            if low != high:
                for (next_body,) in self._sql.run(_PAGES_BETWEEN, run, low, high):
                    yield next_body

    def _load(self, id: int) -> Piece:
        ((first, digests, tails, salts, leaves, _),) = self._sql.run(_ROW, id)
        at = id - first
        digest = digests[at * HASH : at * HASH + HASH]
        identity = digest[:HALF] + tails[at * HALF : at * HALF + HALF]
        salt, leaf = (column[at * HASH : at * HASH + HASH] for column in (salts, leaves))
        return Piece(id, identity, digest, salt, leaf)

    def pieces(self) -> Iterator[Piece]:
        """Yield every piece that was not erased, in the log's order."""
        for row in self._rows("digests, tails, salts, leaves, erased"):
            first, count, digests, tails, salts, leaves, erased = row
            for at in range(count):
                if erased is None or not erased[at]:
                    cut = slice(at * HASH, at * HASH + HASH)
                    identity = digests[cut][:HALF] + tails[at * HALF : at * HALF + HALF]
                    yield Piece(first + at, identity, digests[cut], salts[cut], leaves[cut])

    def leaves(self) -> Iterator[bytes]:
        """Yield all leaves in the log's order, some thousand at once."""
        for _, _, leaves in self._rows("leaves"):
            yield leaves

    def _rows(self, columns: str) -> Iterator[Any]:
        next = 0
        statement = _RUNS_FROM.replace("COLUMNS", columns)
        while rows := self._sql.run(statement, next):
            yield from rows
            next = rows[-1][0] + rows[-1][1]

    def waiting(self) -> int:
        """Return how many pieces are not sealed yet."""
        ((count,),) = self._sql.run("SELECT next - sealed FROM state")
        return int(count)

    # Erasure

    def erase(self, identity: bytes) -> None:
        """Erase all of a piece but its leaf: its run is rewritten, and its fingerprint's page."""
        with self._sql.write():
            for id in self._find_ids(identity, identity):
                ((first, digests, tails, salts, leaves, erased),) = self._sql.run(_ROW, id)
                at, count = id - first, len(leaves) // HASH
                marks = bytearray(erased or bytes(count))
                marks[at] = 1
                self._sql.run(
                    "UPDATE runs SET digests = ?, tails = ?, salts = ?, erased = ? WHERE first = ?",
                    _blank(digests, at, HASH), _blank(tails, at, HALF), _blank(salts, at, HASH),
                    bytes(marks), first,
                )  # fmt: skip
            for run, body in self._sql.run(_PAGE_OF_EACH, identity):
                if body is not None:
                    self._rewrite_page(run, decode_entries([body]), identity)
            # A merge that runs has read the old pages: it finds its run gone, and begins anew.
            self._sql.run(
                "DELETE FROM fingerprints WHERE run IN "
                "(SELECT run FROM fingerprint_runs WHERE live = 0)"
            )
            self._sql.run("DELETE FROM fingerprint_runs WHERE live = 0")

    def _rewrite_page(self, run: int, page: Entries, identity: bytes) -> None:
        stays = (page.identities != np.frombuffer(identity, np.uint8)).any(axis=1)
        if stays.all():
            return
        first = page.identities[0].tobytes()
        self._sql.run("DELETE FROM fingerprints WHERE run = ? AND first = ?", run, first)
        if stays.any():
            rest = Entries(page.identities[stays], page.ids[stays])
            self._write_pages(run, rest, 0, len(rest.ids))

    def size(self) -> int:
        """Return the bytes on disk."""
        return self._sql.size()

    def close(self) -> None:
        """Close the store."""
        self._sql.close()


def _find_in(identities: Rows, words: Words, asked: Rows) -> NDArray[np.bool_]:
    """Return for each of ``asked`` whether it is among the sorted ``identities``."""
    wanted = word(asked, 0)
    left = np.searchsorted(words, wanted, side="left")
    right = np.searchsorted(words, wanted, side="right")
    place = np.minimum(left, len(words) - 1)
    held = (right > left) & (identities[place] == asked).all(axis=1)
    for at in np.flatnonzero(right - left > 1):  # several with the same first eight bytes
        held[at] = (identities[left[at] : right[at]] == asked[at]).all(axis=1).any()
    return held


def _bisect(body: bytes, identity: bytes, count: int) -> int:
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if body[middle * HASH : middle * HASH + HASH] < identity:
            low = middle + 1
        else:
            high = middle
    return low


def _blank(column: bytes, at: int, width: int) -> bytes:
    return column[: at * width] + bytes(width) + column[(at + 1) * width :]


class SqliteSql:
    """A SQLite file, with the settings and the lock file of the product."""

    blob = inline = "BLOB"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "store.db"
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        for setting in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.execute("PRAGMA busy_timeout=20000")

    def run(self, statement: str, *values: object) -> list[Any]:
        """Run a statement; return its rows."""
        return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the lock for one transaction."""
        with _lock(self._path.with_suffix(".write")):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[None]:
        """Read from one snapshot."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    @contextmanager
    def merging(self) -> Iterator[bool]:
        """Yield whether no other process merges."""
        try:
            with _lock(self._path.with_suffix(".merge"), fcntl.LOCK_NB):
                yield True
        except BlockingIOError:
            yield False

    def reclaim(self) -> None:
        """Do nothing: SQLite uses free pages again by itself."""

    def size(self) -> int:
        """Return the bytes on disk once the write-ahead log is copied."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._path.stat().st_size

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def _lock(path: Path, flags: int = 0) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(descriptor)


class PostgresSql:
    """A schema of a PostgreSQL server; ``size`` counts the schema's tables."""

    # Random bytes do not compress, and slices of plain values can be read alone.
    blob = "bytea STORAGE EXTERNAL"
    inline = "bytea STORAGE PLAIN"

    def __init__(self, socket: Path, schema: str) -> None:
        import psycopg

        self._connection = psycopg.connect(
            f"host={socket} user=postgres dbname=postgres", autocommit=True
        )
        self._cursor = self._connection.cursor(binary=True)
        self._schema = schema
        self.run("SET client_min_messages = error")
        self.run("SELECT pg_advisory_lock(1)")
        self.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.run(f"SET search_path = {schema}")
        self.run("SELECT pg_advisory_unlock(1)")

    def run(self, statement: str, *values: object) -> list[Any]:
        """Run a statement; return its rows."""
        self._cursor.execute(statement.replace("?", "%s").encode(), values)
        return self._cursor.fetchall() if self._cursor.description else []

    def copy(self, statement: str, data: bytes) -> int:
        """Send ready-made rows; return their number."""
        with self._cursor.copy(statement.encode()) as copy:
            copy.write(data)
        return self._cursor.rowcount

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the lock for one transaction; each statement sees what was committed before it."""
        with self._connection.transaction():
            self.run("SELECT pg_advisory_xact_lock(2, hashtext(?))", self._schema)
            yield

    @contextmanager
    def read(self) -> Iterator[None]:
        """Read from one snapshot."""
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            self.run("COMMIT")

    @contextmanager
    def merging(self) -> Iterator[bool]:
        """Yield whether no other process merges."""
        ((is_alone,),) = self.run("SELECT pg_try_advisory_lock(3, hashtext(?))", self._schema)
        try:
            yield is_alone
        finally:
            if is_alone:
                self.run("SELECT pg_advisory_unlock(3, hashtext(?))", self._schema)

    def reclaim(self) -> None:
        """Vacuum the fingerprints, without waiting for the server's own vacuum."""
        self.run("VACUUM (INDEX_CLEANUP ON) fingerprints")

    def size(self) -> int:
        """Return the bytes of the tables and their indices."""
        ((size,),) = self.run(
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = to_regnamespace(?)", self._schema,
        )  # fmt: skip
        return int(size)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
