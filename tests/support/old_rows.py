"""Evidence of every kind, in the tables of the schemas 0001 to 0003."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from anchor.evidence.digests import Digests
from anchor.evidence.record import encode_record
from anchor.log.merkle import hash_leaf
from anchor.store.location import SqliteFile, StoreLocation
from anchor.types import LogId

LOG = LogId(b"\x01" * 32)
# Numbers of rows that were inserted and rolled back.
_GAP = 3
_LARGE = 60_000
_KINDS = 9


class OldRow(NamedTuple):
    """A row of the table ``evidence``, but for its number."""

    identity: bytes
    source: str
    sha256: bytes | None
    sm3: bytes | None
    record: bytes | None
    leaf: bytes
    accepted_at: str


def make_old_row(number: int) -> OldRow:
    """Return evidence of one of nine kinds."""
    kind = number % _KINDS
    seed = number.to_bytes(8, "big")
    sha256: bytes | None = hashlib.sha256(b"sha256" + seed).digest()
    sm3: bytes | None = hashlib.sha256(b"sm3" + seed).digest() if kind in (1, 2, 7) else None
    salt = hashlib.sha256(b"salt" + seed).digest()
    accepted_at = f"2026-01-01T{number // 3_600_000 % 24:02}:00:00.{number // 100 % 1000:03}Z"
    name = f"file {number}.txt"
    media_type: str | None = None
    size: int | None = number
    log: LogId | None = LOG
    source = f"/srv/{number % 7}/{name}"
    if kind == 1:
        name, media_type = "d/" + name, "text/plain"
        source = f"/srv/{name}"
    elif kind == 2:
        sha256 = None
    elif kind == 3 and sha256 is not None:
        name, size, source = f"sha256:{sha256.hex()}", None, "digest:"
    elif kind == 4:
        source = f"tenant:acme/{name}"
    elif kind == 5:
        log, accepted_at = None, "then"
    digests = Digests(sha256=sha256, sm3=sm3, size=size)
    record: bytes | None = encode_record(
        digests=digests, name=name, media_type=media_type, salt=salt,
        recorded_at="2026-01-01T00:00:00.000Z" if kind == 5 else accepted_at, log=log,
    )  # fmt: skip
    if kind == 6:
        # No record of today's, some of them as long as records may be.
        record = b'{"kept":%d}' % number + b" " * (_LARGE if number % 41 == 0 else 0)
    leaf = hash_leaf(record or b"")
    identity = (sha256 or sm3 or b"")[:16] + hashlib.sha256(b"identity" + seed).digest()[:16]
    if kind == 7:
        record = None
        sha256, sm3 = (sha256, sm3) if number % 2 else (None, None)
        source = "/srv/lost"
    elif kind == 8 and number % 4 == 0:
        identity, source = hashlib.sha256(b"blank" + seed).digest(), "(erased)"
        sha256 = sm3 = record = None
    return OldRow(identity, source, sha256, sm3, record, leaf, accepted_at)


def find_number(place: int, count: int) -> int:
    """Return which evidence is in a place of a log of ``count`` pieces: neighbours are swapped."""
    return place ^ 1 if place ^ 1 < count else place


def find_id(number: int) -> int:
    """Return the number of the row of this evidence: there are gaps."""
    return 1 + number + number // 100 * _GAP


_INSERT = (
    "INSERT INTO evidence (id, identity, source, sha256, sm3, record, leaf, accepted_at) "
    "VALUES (:id, :identity, :source, :sha256, :sm3, :record, :leaf, :accepted_at)"
)


def fill_old_tables(connection: Connection, sealed: int, waiting: int, others: int = 0) -> None:
    """Insert so much evidence that is sealed, that waits, and that has neither place nor queue.

    The evidence in place ``i`` of the log has the number ``find_number(i, sealed)``.  Then follow
    the queue and the others.
    """
    count = sealed + waiting + others
    inserts: list[tuple[str, Iterator[dict[str, Any]]]] = [
        (_INSERT, ({"id": find_id(n), **make_old_row(n)._asdict()} for n in range(count))),
        (
            "INSERT INTO positions (leaf_index, evidence_id) VALUES (:place, :id)",
            ({"place": i, "id": find_id(find_number(i, sealed))} for i in range(sealed)),
        ),
        (
            "INSERT INTO waiting (evidence_id) VALUES (:id)",
            ({"id": find_id(n)} for n in range(sealed, sealed + waiting)),
        ),
        (
            "INSERT INTO keys (key, evidence_id) VALUES (:key, :id)",
            ({"key": make_key(n), "id": find_id(n)} for n in range(0, count, 10)),
        ),
    ]
    for statement, rows in inserts:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == 1_000:
                _insert(connection, statement, batch)
        _insert(connection, statement, batch)
    if sealed:
        head = {"size": sealed, "root": b"r" * 32, "edge": b"", "now": "2026-01-02T00:00:00.000Z"}
        connection.execute(text("INSERT INTO heads VALUES (:size, :root, :edge, :now)"), head)


def _insert(connection: Connection, statement: str, batch: list[dict[str, Any]]) -> None:
    if batch:
        connection.execute(text(statement), batch)
        batch.clear()


def make_key(number: int) -> bytes:
    """Return the idempotency key of every tenth piece."""
    return hashlib.sha256(b"key" + number.to_bytes(8, "big")).digest()


def migrate_to(connection: Connection, revision: str) -> None:
    """Run the migrations up to ``revision``."""
    config = Config()
    config.set_main_option("script_location", "anchor.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def open_engine(location: StoreLocation) -> Engine:
    """Return an engine with the driver's own transactions."""
    if isinstance(location, SqliteFile):
        return create_engine(f"sqlite:///{location.path}")
    return create_engine(make_url(location.url).set(drivername="postgresql+psycopg"))


def make_old_store(
    location: StoreLocation, revision: str, sealed: int, waiting: int, others: int = 0
) -> None:
    """Create a store of an older schema with evidence of every kind."""
    engine = open_engine(location)
    with engine.begin() as connection:
        migrate_to(connection, revision)
        connection.execute(text("INSERT INTO lease VALUES (1, 5, 'nobody')"))
        fill_old_tables(connection, sealed, waiting, others)
    engine.dispose()
    if isinstance(location, SqliteFile):
        use_wal(location.path)


def use_wal(path: Path) -> None:
    """Switch a file to the mode of every store's file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
