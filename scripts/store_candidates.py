"""The engines that `scripts/compare_stores.py` compares, each behind one small interface."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from store_columns import (
    HALF,
    HASH,
    Batch,
    ColumnStore,
    Piece,
    PostgresSql,
    Settings,
    SqliteSql,
    sort_places,
)

Tell = Callable[[str], None]
Prepared = Any


class Store(Protocol):
    """A store of bare digests; an identity is stored once."""

    def accept(self, batch: Batch) -> int:
        """Store the pieces whose identity is new; return their number when they are durable."""

    def find(self, identity: bytes) -> Piece | None:
        """Return the piece with this identity."""

    def find_digest(self, digest: bytes) -> list[int]:
        """Return the ids of the pieces with this digest."""

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces that are not erased, in the log's order."""

    def leaves(self) -> Iterator[bytes]:
        """Yield all leaves in the log's order, one or more at once."""

    def waiting(self) -> int:
        """Return how many pieces are not sealed yet."""

    def erase(self, identity: bytes) -> None:
        """Erase all of a piece but its leaf."""

    def size(self) -> int:
        """Return the bytes on disk."""

    def close(self) -> None:
        """Close the store."""


def split(rows: NDArray[np.uint8]) -> list[bytes]:
    """Return the rows as bytes."""
    data, width = rows.tobytes(), rows.shape[1]
    return [data[at : at + width] for at in range(0, len(data), width)]


def size_of(folder: Path) -> int:
    """Return the bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class LmdbStore:
    """LMDB: a B-tree by identity, and one by id that holds identity and leaf."""

    def __init__(self, folder: Path) -> None:
        import lmdb

        self._folder = folder
        self._environment = lmdb.open(str(folder), map_size=1 << 36, max_dbs=2)
        self._pieces = self._environment.open_db(b"pieces")
        self._order = self._environment.open_db(b"order")

    def accept(self, batch: Batch) -> int:
        """Store the new pieces."""
        columns = [split(c) for c in (batch.identities, batch.digests, batch.salts, batch.leaves)]
        text = f"{batch.tenant}\0{batch.accepted_at}\0{batch.source}".encode()
        with self._environment.begin(write=True) as transaction:
            last = transaction.cursor(self._order)
            next = int.from_bytes(last.key(), "big") + 1 if last.last() else 0
            before = next
            if next == 0 or transaction.get(b"text") != text:
                transaction.put(b"text", text)  # a product would have a dictionary
            for identity, digest, salt, leaf in zip(*columns, strict=True):
                id = next.to_bytes(8, "big")
                value = id + digest + salt
                if transaction.put(identity, value, overwrite=False, db=self._pieces):
                    transaction.put(id, identity + leaf, append=True, db=self._order)
                    next += 1
        return next - before

    def find(self, identity: bytes) -> Piece | None:
        """Return the piece with this identity."""
        with self._environment.begin() as transaction:
            value = transaction.get(identity, db=self._pieces)
            if value is None:
                return None
            leaf = transaction.get(value[:8], db=self._order)[HASH:]
            return _parse(identity, value, leaf)

    def find_digest(self, digest: bytes) -> list[int]:
        """Return the ids of the pieces with this digest."""
        found = []
        with self._environment.begin() as transaction:
            cursor = transaction.cursor(self._pieces)
            cursor.set_range(digest[:HALF])
            for identity, value in cursor:
                if identity[:HALF] != digest[:HALF]:
                    break
                if value[8 : 8 + HASH] == digest:
                    found.append(int.from_bytes(value[:8], "big"))
        return found

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces in order."""
        with self._environment.begin() as transaction:
            for _, row in transaction.cursor(self._order):
                value = transaction.get(row[:HASH], db=self._pieces)
                if value is not None:
                    yield _parse(row[:HASH], value, row[HASH:])

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaves in order."""
        with self._environment.begin() as transaction:
            for row in transaction.cursor(self._order).iternext(keys=False):
                yield row[HASH:]

    def waiting(self) -> int:
        """Return how many pieces wait: here all."""
        with self._environment.begin() as transaction:
            return int(transaction.stat(self._order)["entries"])

    def erase(self, identity: bytes) -> None:
        """Erase a piece."""
        with self._environment.begin(write=True) as transaction:
            value = transaction.pop(identity, db=self._pieces)
            leaf = transaction.get(value[:8], db=self._order)[HASH:]
            transaction.put(value[:8], bytes(HASH) + leaf, db=self._order)

    def size(self) -> int:
        """Return the bytes on disk."""
        return size_of(self._folder)

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()


def _parse(identity: bytes, value: bytes, leaf: bytes) -> Piece:
    digest, salt = value[8 : 8 + HASH], value[8 + HASH : 8 + 2 * HASH]
    return Piece(int.from_bytes(value[:8], "big"), identity, digest, salt, leaf)


class RocksStore:
    """RocksDB, with the keys of ``LmdbStore`` and Bloom filters of 10 bits a key."""

    def __init__(self, folder: Path) -> None:
        import rocksdict

        self._rocks = rocksdict
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_compression_type(rocksdict.DBCompressionType.none())
        tables = rocksdict.BlockBasedOptions()
        tables.set_bloom_filter(10, False)
        options.set_block_based_table_factory(tables)
        self._folder = folder
        self._db = rocksdict.Rdict(str(folder / "db"), options)
        self._synced = rocksdict.WriteOptions()
        self._synced.sync = True
        self._next = int.from_bytes(self._db.get(b"n") or b"", "big")

    def accept(self, batch: Batch) -> int:
        """Store the new pieces."""
        columns = [split(c) for c in (batch.identities, batch.digests, batch.salts, batch.leaves)]
        keys = [b"p" + identity for identity in columns[0]]
        known = self._db.get(keys)
        write = self._rocks.WriteBatch(raw_mode=True)
        seen: set[bytes] = set()
        next = self._next
        for key, stored, identity, digest, salt, leaf in zip(keys, known, *columns, strict=True):
            if stored is None and key not in seen:
                seen.add(key)
                id = next.to_bytes(8, "big")
                write.put(key, id + digest + salt)
                write.put(b"o" + id, identity + leaf)
                next += 1
        write.put(b"n", next.to_bytes(8, "big"))
        self._db.write(write, self._synced)
        added, self._next = next - self._next, next
        return added

    def find(self, identity: bytes) -> Piece | None:
        """Return the piece with this identity."""
        value = self._db.get(b"p" + identity)
        if value is None:
            return None
        return _parse(identity, value, self._db.get(b"o" + value[:8])[HASH:])

    def find_digest(self, digest: bytes) -> list[int]:
        """Return the ids of the pieces with this digest."""
        found = []
        for key, value in self._db.items(from_key=b"p" + digest[:HALF]):
            if key[1 : 1 + HALF] != digest[:HALF] or key[:1] != b"p":
                break
            if value[8 : 8 + HASH] == digest:
                found.append(int.from_bytes(value[:8], "big"))
        return found

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces in order."""
        for row in self._ordered():
            value = self._db.get(b"p" + row[:HASH])
            if value is not None:
                yield _parse(row[:HASH], value, row[HASH:])

    def _ordered(self) -> Iterator[bytes]:
        for key, row in self._db.items(from_key=b"o"):
            if key[:1] != b"o":
                return
            yield row

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaves in order."""
        for row in self._ordered():
            yield row[HASH:]

    def waiting(self) -> int:
        """Return how many pieces wait: here all."""
        return self._next

    def erase(self, identity: bytes) -> None:
        """Erase a piece; its bytes stay in the files until a compaction rewrites them."""
        value = self._db.get(b"p" + identity)
        write = self._rocks.WriteBatch(raw_mode=True)
        write.delete(b"p" + identity)
        write.put(b"o" + value[:8], bytes(HASH) + self._db.get(b"o" + value[:8])[HASH:])
        self._db.write(write, self._synced)

    def size(self) -> int:
        """Return the bytes on disk, the log of what is only in memory among them."""
        return size_of(self._folder)

    def close(self) -> None:
        """Close the database."""
        self._db.close()


_DUCK_COLUMNS = ("identity", "digest", "salt", "leaf")
_DUCK_INSERT = (
    "INSERT INTO pieces SELECT CAST(? AS BIGINT) + n, identity, digest, salt, leaf, ?, ? "
    "FROM batch ON CONFLICT DO NOTHING"
)
_DUCK_SELECT = "SELECT id, identity, digest, salt, leaf FROM pieces WHERE CONDITION"


class DuckStore:
    """DuckDB in its own file, with its index over identities."""

    def __init__(self, folder: Path) -> None:
        import duckdb
        import pyarrow

        self._arrow = pyarrow
        self._folder = folder
        self._db = duckdb.connect(str(folder / "store.duckdb"), config={"threads": "2"})
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS pieces (id UBIGINT, identity BLOB PRIMARY KEY, "
            "digest BLOB, salt BLOB, leaf BLOB, tenant VARCHAR, accepted_at VARCHAR)"
        )

    def accept(self, batch: Batch) -> int:
        """Store the new pieces."""
        arrow = self._arrow
        order = np.sort(_first_of_each(batch))
        new = batch.take(order)
        columns = (new.identities, new.digests, new.salts, new.leaves)
        arrays = [
            arrow.FixedSizeBinaryArray.from_buffers(
                arrow.binary(HASH), len(new), [None, arrow.py_buffer(column.tobytes())]
            )
            for column in columns
        ]
        table = arrow.table(
            [arrow.array(np.arange(len(new), dtype=np.uint64)), *arrays], ["n", *_DUCK_COLUMNS]
        )
        self._db.register("batch", table)
        self._db.execute("BEGIN")
        row = self._db.execute("SELECT coalesce(max(id) + 1, 0), count(*) FROM pieces").fetchone()
        next, before = row or (0, 0)
        self._db.execute(
            _DUCK_INSERT,
            [next, new.tenant, new.accepted_at],
        )
        row = self._db.execute("SELECT count(*) FROM pieces").fetchone()
        self._db.execute("COMMIT")
        return int(row[0] - before) if row else 0

    def _select(self, condition: str, *values: object) -> list[Piece]:
        query = _DUCK_SELECT.replace("CONDITION", condition)
        return [Piece(*row) for row in self._db.execute(query, list(values)).fetchall()]

    def find(self, identity: bytes) -> Piece | None:
        """Return the piece with this identity."""
        return next(iter(self._select("identity = ?", identity)), None)

    def find_digest(self, digest: bytes) -> list[int]:
        """Return the ids of the pieces with this digest."""
        return [piece.id for piece in self._select("digest = ?", digest)]

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces in order."""
        yield from self._select("digest IS NOT NULL ORDER BY id")

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaves in order."""
        rows = self._db.execute("SELECT leaf FROM pieces ORDER BY id")
        while part := rows.fetchmany(4_096):
            yield b"".join(leaf for (leaf,) in part)

    def waiting(self) -> int:
        """Return how many pieces wait: here all."""
        row = self._db.execute("SELECT count(*) FROM pieces").fetchone()
        return int(row[0]) if row else 0

    def erase(self, identity: bytes) -> None:
        """Erase a piece."""
        self._db.execute(
            "UPDATE pieces SET identity = ?, digest = NULL, salt = NULL WHERE identity = ?",
            [secrets.token_bytes(HASH), identity],
        )

    def size(self) -> int:
        """Return the bytes on disk."""
        self._db.execute("CHECKPOINT")
        return size_of(self._folder)

    def close(self) -> None:
        """Close the database."""
        self._db.close()


def _first_of_each(batch: Batch) -> NDArray[np.intp]:
    order = sort_places(batch.identities)
    ordered = batch.identities[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return order[is_first]


class ParquetStore:
    """Parquet files beside SQLite, which knows the files and each identity (a B-tree)."""

    def __init__(self, folder: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        self._arrow, self._parquet = pyarrow, parquet
        self._folder = folder
        self._sql = SqliteSql(folder)
        self._sql.run(
            "CREATE TABLE IF NOT EXISTS files (first INTEGER PRIMARY KEY, pieces INTEGER, "
            "name TEXT, tenant TEXT, accepted_at TEXT)"
        )
        self._sql.run(
            "CREATE TABLE IF NOT EXISTS identities (identity BLOB PRIMARY KEY, id INTEGER) "
            "WITHOUT ROWID"
        )

    def accept(self, batch: Batch) -> int:
        """Store the new pieces: first their file, then the rows that refer to it."""
        with self._sql.write():
            ((next,),) = self._sql.run("SELECT coalesce(max(first + pieces), 0) FROM files")
            places = []
            for place in _first_of_each(batch):
                identity = batch.identities[place].tobytes()
                if not self._sql.run("SELECT 1 FROM identities WHERE identity = ?", identity):
                    places.append(place)
            if not places:
                return 0
            kept = np.sort(np.array(places))
            new = batch.take(kept)
            name = f"{next:012}-{secrets.token_hex(4)}.parquet"
            self._write(name, new)
            for id, identity in enumerate(split(new.identities), next):
                self._sql.run("INSERT INTO identities VALUES (?, ?)", identity, id)
            self._sql.run(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?)",
                next, len(new), name, new.tenant, new.accepted_at,
            )  # fmt: skip
            # A crash here leaves a file that nothing refers to.
        return len(new)

    def _write(self, name: str, new: Batch) -> None:
        arrow = self._arrow
        arrays = [
            arrow.FixedSizeBinaryArray.from_buffers(
                arrow.binary(HASH), len(new), [None, arrow.py_buffer(column.tobytes())]
            )
            for column in (new.identities, new.digests, new.salts, new.leaves)
        ]
        path = self._folder / name
        with path.open("wb") as file:
            table = arrow.table(arrays, list(_DUCK_COLUMNS))
            self._parquet.write_table(
                table, file, compression="none", use_dictionary=False, write_statistics=False
            )
            file.flush()
            os.fsync(file.fileno())
        descriptor = os.open(self._folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def find(self, identity: bytes) -> Piece | None:
        """Return the piece with this identity."""
        rows = self._sql.run("SELECT id FROM identities WHERE identity = ?", identity)
        return self._load(rows[0][0]) if rows else None

    def _load(self, id: int) -> Piece:
        ((first, name),) = self._sql.run(
            "SELECT first, name FROM files WHERE first <= ? ORDER BY first DESC LIMIT 1", id
        )
        row = self._parquet.read_table(self._folder / name).slice(id - first, 1).to_pylist()[0]
        return Piece(id, *(row[name] for name in _DUCK_COLUMNS))

    def find_digest(self, digest: bytes) -> list[int]:
        """Return the ids of the pieces with this digest."""
        rows = self._sql.run(
            "SELECT id FROM identities WHERE identity BETWEEN ? AND ?",
            digest[:HALF], digest[:HALF] + b"\xff" * HALF,
        )  # fmt: skip
        return [id for (id,) in rows if self._load(id).digest == digest]

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces in order."""
        for first, name in self._sql.run("SELECT first, name FROM files ORDER BY first"):
            table = self._parquet.read_table(self._folder / name)
            for id, row in enumerate(table.to_pylist(), first):
                if row["digest"] != bytes(HASH):
                    yield Piece(id, *(row[name] for name in _DUCK_COLUMNS))

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaves in order."""
        for (name,) in self._sql.run("SELECT name FROM files ORDER BY first"):
            column = self._parquet.read_table(self._folder / name, columns=["leaf"]).column(0)
            for chunk in column.chunks:
                yield chunk.buffers()[1].to_pybytes()

    def waiting(self) -> int:
        """Return how many pieces wait: here all."""
        ((count,),) = self._sql.run("SELECT coalesce(sum(pieces), 0) FROM files")
        return int(count)

    def erase(self, identity: bytes) -> None:
        """Erase a piece: its file is written anew, and the old one removed after the commit."""
        with self._sql.write():
            ((id,),) = self._sql.run("SELECT id FROM identities WHERE identity = ?", identity)
            ((first, old),) = self._sql.run(
                "SELECT first, name FROM files WHERE first <= ? ORDER BY first DESC LIMIT 1", id
            )
            table = self._parquet.read_table(self._folder / old)
            columns = [
                np.frombuffer(b"".join(table.column(name).to_pylist()), np.uint8)
                .reshape(-1, HASH).copy()
                for name in _DUCK_COLUMNS
            ]  # fmt: skip
            for column in columns[:3]:
                column[id - first] = 0
            name = f"{first:012}-{secrets.token_hex(4)}.parquet"
            self._write(name, Batch(*columns))
            self._sql.run("UPDATE files SET name = ? WHERE first = ?", name, first)
            self._sql.run("DELETE FROM identities WHERE identity = ?", identity)
        (self._folder / old).unlink()

    def size(self) -> int:
        """Return the bytes on disk."""
        self._sql.size()
        return size_of(self._folder)

    def close(self) -> None:
        """Close the database."""
        self._sql.close()


class RowStore:
    """The product's store of today, whose rows are made ready beforehand."""

    def __init__(self, folder: Path, socket: Path | None, schema: str) -> None:
        from anchor.store.database import create_database, is_taken, open_database
        from anchor.store.location import PostgresDatabase, SqliteFile, StoreLocation

        place: StoreLocation = SqliteFile(folder / "anchor.db")
        if socket is not None:
            PostgresSql(socket, schema).close()  # creates the schema
            place = PostgresDatabase(
                f"postgresql://postgres@/postgres?host={socket}&options=-csearch_path%3D{schema}"
            )
        self._folder, self._socket, self._schema = folder, socket, schema
        self.database = open_database(place) if is_taken(place) else create_database(place)

    def make_rows(self, batch: Batch) -> list[Any]:
        """Return the batch as rows; records are made up, of the length of real ones."""
        from anchor.store.evidence import NewEvidence

        columns = [split(c) for c in (batch.identities, batch.digests, batch.salts, batch.leaves)]
        return [
            NewEvidence(
                identity, batch.source, digest, None, salt + bytes(290), leaf, batch.accepted_at
            )
            for identity, digest, salt, leaf in zip(*columns, strict=True)
        ]

    def accept(self, batch: Batch | list[Any]) -> int:
        """Store the new pieces."""
        from anchor.store.evidence_insertion import insert_evidence

        rows = self.make_rows(batch) if isinstance(batch, Batch) else batch
        return self.database.write_with_retry(lambda connection: insert_evidence(connection, rows))

    def find(self, identity: bytes) -> Piece | None:
        """Return the piece with this identity."""
        from anchor.store.evidence import find_by_identity

        with self.database.read() as connection:
            row = find_by_identity(connection, identity)
        return None if row is None else _from_row(row)

    def find_digest(self, digest: bytes) -> list[int]:
        """Return the ids of the pieces with this digest."""
        from anchor.evidence.digests import Digests
        from anchor.store.evidence import find_by_digest

        with self.database.read() as connection:
            digests = Digests(sha256=digest, sm3=None, size=None)
            return [row.id for row in find_by_digest(connection, digests)]

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces in order."""
        from anchor.store.evidence import load_all

        with self.database.read() as connection:
            for row in load_all(connection):
                if row.record is not None:
                    yield _from_row(row)

    def leaves(self) -> Iterator[bytes]:
        """Yield the leaves in order."""
        from anchor.store.evidence import load_waiting

        with self.database.read() as connection:
            yield load_waiting(connection)

    def waiting(self) -> int:
        """Return how many pieces wait."""
        from anchor.store.evidence import count_waiting

        with self.database.read() as connection:
            return count_waiting(connection)

    def erase(self, identity: bytes) -> None:
        """Erase a piece."""
        from anchor.store.erasures import erase_rows, find_by_ids

        with self.database.write() as connection:
            erase_rows(connection, find_by_ids(connection, [identity]), [(None, "now")])

    def size(self) -> int:
        """Return the bytes on disk."""
        if self._socket is not None:
            with closing(PostgresSql(self._socket, self._schema)) as sql:
                return sql.size()
        with closing(sqlite3.connect(self._folder / "anchor.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (self._folder / "anchor.db").stat().st_size

    def close(self) -> None:
        """Close the store."""
        self.database.close()


def _from_row(row: Any) -> Piece:
    # The digest is not part of what the product's row returns; its first half is the identity's.
    return Piece(row.id, row.identity, row.identity[:HALF], row.record[:HASH], row.leaf)


class FileFloor:
    """The least that is durable: the same bytes appended to a file, synced at each commit."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "pieces"
        self._file = self._path.open("ab", buffering=0)

    def accept(self, batch: Batch) -> int:
        """Append the batch; nothing is looked up."""
        for column in (batch.identities[:, HALF:], batch.digests, batch.salts, batch.leaves):
            self._file.write(column.tobytes())
        os.fdatasync(self._file.fileno())
        return len(batch)

    def size(self) -> int:
        """Return the bytes on disk."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CopyFloor:
    """PostgreSQL's COPY of rows made ready, into a table without any index."""

    def __init__(self, socket: Path, schema: str) -> None:
        self._sql = PostgresSql(socket, schema)
        self._sql.run(
            "CREATE TABLE IF NOT EXISTS raw (identity bytea, digest bytea, salt bytea, leaf bytea)"
        )

    def make_rows(self, batch: Batch) -> bytes:
        """Return the batch in the binary format of COPY."""
        head = np.frombuffer((4).to_bytes(2, "big"), np.uint8)
        length = np.frombuffer(HASH.to_bytes(4, "big"), np.uint8)
        count = len(batch)
        parts = [np.broadcast_to(head, (count, 2))]
        for column in (batch.identities, batch.digests, batch.salts, batch.leaves):
            parts += [np.broadcast_to(length, (count, 4)), column]
        body = np.concatenate(parts, axis=1).tobytes()
        return b"PGCOPY\n\xff\r\n\0" + bytes(8) + body + b"\xff\xff"

    def accept(self, batch: Batch | bytes) -> int:
        """Copy the batch; nothing is looked up."""
        data = self.make_rows(batch) if isinstance(batch, Batch) else batch
        return self._sql.copy("COPY raw FROM STDIN (FORMAT BINARY)", data)

    def size(self) -> int:
        """Return the bytes on disk."""
        return self._sql.size()

    def close(self) -> None:
        """Close the connection."""
        self._sql.close()


SMALL = Settings(row=200, page=64, fan=4)
"""Sizes with which a few thousand pieces are merged many times."""


def _columns_sqlite(folder: Path, _: Path | None, tell: Tell, *, is_small: bool) -> Any:
    return ColumnStore(SqliteSql(folder), SMALL if is_small else Settings(), tell)


def _columns_postgres(folder: Path, socket: Path | None, tell: Tell, *, is_small: bool) -> Any:
    assert socket is not None
    sql = PostgresSql(socket, f"c{folder.name}")
    return ColumnStore(sql, SMALL if is_small else Settings(), tell)


class Candidates:
    """How each engine is opened, by name: in a folder, and for some on a server's socket."""

    makers: ClassVar[dict[str, Callable[..., Any]]] = {
        "columns-sqlite": _columns_sqlite,
        "columns-postgresql": _columns_postgres,
        "lmdb": lambda folder, *_, **__: LmdbStore(folder),
        "rocksdb": lambda folder, *_, **__: RocksStore(folder),
        "duckdb": lambda folder, *_, **__: DuckStore(folder),
        "parquet-sqlite": lambda folder, *_, **__: ParquetStore(folder),
        "rows-sqlite": lambda folder, *_, **__: RowStore(folder, None, ""),
        "rows-postgresql": lambda folder, socket, *_, **__: RowStore(
            folder, socket, f"r{folder.name}"
        ),
        "floor-file": lambda folder, *_, **__: FileFloor(folder),
        "floor-copy": lambda folder, socket, *_, **__: CopyFloor(socket, f"f{folder.name}"),
    }

    on_server: ClassVar[Sequence[str]] = ("columns-postgresql", "rows-postgresql", "floor-copy")
    one_process: ClassVar[Sequence[str]] = ("rocksdb", "duckdb")
