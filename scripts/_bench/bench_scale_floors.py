"""Floors and peers of `scripts/bench --scale`: the least that any program would have to do."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from struct import Struct

from bench_log import hash_in_cache, make_records, python_peers, split
from bench_measuring import Spent, Stopwatch

from anchor.log.batch_sha256 import MAX_SUBTREE_HEIGHT, hash_rows

# What a bare digest adds besides its digest: leaf, salt, and half of its identity.
WIDTHS = (32, 32, 32, 16)
_COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_COPY_ROW = Struct(">h" + "".join(f"i{width}s" for width in WIDTHS))
_TABLE = "CREATE TABLE raw (digest {0}, leaf {0}, salt {0}, tail {0})"


class Floors:
    """Writes, copies and hashes files in ``folder``; inserts into the server at ``socket``."""

    def __init__(self, folder: Path, socket: Path | None) -> None:
        self._folder = folder
        self._socket = socket
        self._file = folder / "floor"

    def write(self, count: int, width: int, commit: int) -> Spent:
        """Write ``count`` times ``width`` bytes, synced to disk after each ``commit``."""
        block = secrets.token_bytes(width * min(commit, 1 << 16))
        watch = Stopwatch()
        with self._file.open("wb", buffering=0) as file:
            for start in range(0, count, commit):
                left = width * min(commit, count - start)
                while left:
                    left -= file.write(memoryview(block)[: min(left, len(block))])
                os.fdatasync(file.fileno())
        return watch.spent()

    def copy_file(self) -> Spent:
        """Copy the file that was written last, and sync the copy to disk."""
        copy = self._folder / "copy"
        watch = Stopwatch()
        shutil.copyfile(self._file, copy)
        with copy.open("rb") as file:
            os.fdatasync(file.fileno())
        spent = watch.spent()
        copy.unlink()
        return spent

    def sum_file(self) -> Spent:
        """Run `sha256sum` on the file that was written last."""
        watch = Stopwatch()
        subprocess.run(["sha256sum", self._file], check=True, stdout=subprocess.DEVNULL)
        return watch.spent()

    def insert(self, count: int, commit: int) -> tuple[Spent, int]:
        """Insert bare rows into a table without an index; return also the table's bytes."""
        if self._socket is None:
            return insert_into_sqlite(self._folder / "raw.db", count, commit)
        return insert_into_postgresql(self._socket, count, commit)

    def hash_tree(self, count: int, width: int) -> Spent:
        """Hash records of ``width`` bytes, and the nodes of a tree over them, in the cache."""
        rows = 1 << MAX_SUBTREE_HEIGHT
        records = bytes(width * rows)
        leaves = make_records(rows)
        watch = Stopwatch()
        for start in range(0, count, rows):
            hash_rows(0, memoryview(records)[: width * min(rows, count - start)], width)
        hash_in_cache(leaves, count, leaves=False)
        return watch.spent()


def make_rows(count: int, commit: int) -> Iterator[list[tuple[bytes, ...]]]:
    for start in range(0, count, commit):
        yield [tuple(map(secrets.token_bytes, WIDTHS)) for _ in range(min(commit, count - start))]


def insert_into_sqlite(path: Path, count: int, commit: int) -> tuple[Spent, int]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(_TABLE.format("BLOB"))
        spent = Spent()
        for rows in make_rows(count, commit):
            watch = Stopwatch()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO raw VALUES (?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
            spent += watch.spent()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    return spent, pages * page_size


def insert_into_postgresql(socket: Path, count: int, commit: int) -> tuple[Spent, int]:
    import psycopg

    with psycopg.connect(f"host={socket} user=postgres dbname=postgres") as connection:
        connection.execute(_TABLE.format("bytea").encode())
        connection.commit()
        spent = Spent()
        for rows in make_rows(count, commit):
            packed = b"".join(
                _COPY_ROW.pack(len(WIDTHS), *(part for cell in row for part in (len(cell), cell)))
                for row in rows
            )
            watch = Stopwatch(socket)
            with connection.cursor().copy("COPY raw FROM STDIN (FORMAT binary)") as copy:
                copy.write(_COPY_START + packed + _COPY_END)
            connection.commit()
            spent += watch.spent()
        found = connection.execute("SELECT pg_total_relation_size('raw')").fetchone()
        assert found is not None
        connection.execute("DROP TABLE raw")
        connection.commit()
    return spent, found[0]


def time_peers(count: int, what: str) -> Iterator[tuple[str, Spent]]:
    """Yield each library's name and what it takes to ``build`` a tree, or for all ``proofs``."""
    rows = split(make_records(count))
    for peer in python_peers():
        watch = Stopwatch()
        tree = peer.build(rows)
        if what == "build":
            yield peer.name, watch.spent()
        elif peer.prove_all is not None:
            watch = Stopwatch()
            peer.prove_all(tree, count)
            yield peer.name, watch.spent()
