"""Salvage of the readable rows of a damaged SQLite store into a new one.

Rows are read in the order of their numbers up to an unreadable page, and from the next readable row
on; of a run of evidence, the readable pieces are saved.  Fingerprints are left out, because the
rebuilt store makes them from its pieces.  Only a copy of the damaged file is opened, because SQLite
may write to any file it opens.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import open_private
from anchor.store.database import check_schema, create_database
from anchor.store.location import SqliteFile, discard, staging_location
from anchor.store.run_salvage import RunSource
from anchor.store.schema import (
    fingerprint_runs,
    fingerprints,
    lease,
    metadata,
    name_blocks,
    name_index,
    record_index,
    retention_index,
    runs,
)

_LAST_ROW = 1 << 62
# Bytes that are lost with one read error of the disk: a page of SQLite.
_BLOCK = 4_096
_BATCH = 1_000
_LEFT_OUT = (
    lease,
    runs,
    fingerprint_runs,
    fingerprints,
    record_index,
    name_index,
    name_blocks,
    retention_index,
)


@dataclass(slots=True)
class Salvaged:
    """The numbers of pieces and of rows saved, by table, and one message for each loss."""

    pieces: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    lost: list[Message] = field(default_factory=list)


def salvage_store(damaged: SqliteFile, target: SqliteFile) -> Salvaged:
    """Create a store at ``target`` from the readable rows of a damaged one."""
    copied = staging_location(target, ".damaged")
    discard(copied)
    try:
        _copy(damaged, copied)
        create_database(target).close()
        with (
            closing(sqlite3.connect(copied.path, isolation_level=None)) as source,
            closing(sqlite3.connect(target.path, isolation_level=None)) as new,
        ):
            return _salvage(source, new, damaged, copied)
    finally:
        discard(copied)


def _copy(damaged: SqliteFile, copied: SqliteFile) -> None:
    if not damaged.path.is_file():
        raise ConfigError(Message("store-missing", store=str(damaged)))
    for suffix in ("", "-wal"):
        source = damaged.path.with_name(damaged.path.name + suffix)
        if source.is_file():
            target = copied.path.with_name(copied.path.name + suffix)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with source.open("rb") as old, open(open_private(target, flags), "wb") as new:
                for at in range(0, source.stat().st_size, _BLOCK):
                    new.write(_read_block(old.fileno(), at))


def _read_block(descriptor: int, at: int) -> bytes:
    """Return a block of a file, or zeros if the disk cannot read it."""
    try:
        return os.pread(descriptor, _BLOCK, at)
    except OSError:
        return bytes(_BLOCK)


def _salvage(
    source: sqlite3.Connection, new: sqlite3.Connection, damaged: SqliteFile, copied: SqliteFile
) -> Salvaged:
    source.execute("PRAGMA cell_size_check=ON")
    new.execute("PRAGMA foreign_keys=OFF")
    columns = _find_columns(source, damaged)
    salvaged = Salvaged()
    new.execute("BEGIN IMMEDIATE")
    for table in metadata.sorted_tables:
        # In quotes: a name may be a word of SQL.
        names = [f'"{each.name}"' for each in table.columns if each.name in columns[table.name]]
        if table not in _LEFT_OUT and names:
            _copy_rows(source, new, table.name, names, salvaged)
    with suppress(sqlite3.DatabaseError):
        # Damaged runs are read from the file itself.
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    _copy_runs(source, new, copied, salvaged)
    _drop_orphans(new, salvaged)
    new.execute("COMMIT")
    return salvaged


def _find_columns(source: sqlite3.Connection, damaged: SqliteFile) -> dict[str, set[str]]:
    """Return the columns of each table according to the file's own schema."""
    try:
        columns = {
            table.name: {row[1] for row in source.execute(f"PRAGMA table_info({table.name})")}
            for table in metadata.sorted_tables
        }
    except sqlite3.Error as error:
        raise ConfigError(
            Message("salvage-nothing-readable", store=str(damaged), reason=error),
            hint=Message("salvage-tables-lost-hint"),
        ) from error
    if not columns[runs.name]:
        raise ConfigError(Message("salvage-no-evidence-table", store=str(damaged)))
    with suppress(sqlite3.DatabaseError):
        version = source.execute("SELECT version_num FROM alembic_version").fetchone()
        if version is not None:
            check_schema(damaged, version[0])
    return columns


def _copy_rows(
    source: sqlite3.Connection,
    new: sqlite3.Connection,
    table: str,
    names: list[str],
    salvaged: Salvaged,
) -> None:
    insert = _build_insert(table, names)
    saved = 0
    for row in _read_rows(source, table, names, salvaged.lost):
        try:
            saved += new.execute(insert, row[1:]).rowcount
        except sqlite3.IntegrityError as error:  # a damaged value
            salvaged.lost.append(
                Message("salvage-row-damaged", row=row[0], table=table, reason=error)
            )
    salvaged.rows[table] = saved


def _copy_runs(
    source: sqlite3.Connection, new: sqlite3.Connection, copied: SqliteFile, salvaged: Salvaged
) -> None:
    names = [column.name for column in runs.c]
    insert = _build_insert(runs.name, names)
    saved = expected = 0
    # Rows that cannot be read leave a gap between the pieces of others.
    unread: list[Message] = []
    with RunSource(source, copied.path) as readable:
        for first, *_ in _read_rows(source, runs.name, [], unread):
            run = readable.read(first, salvaged.lost)
            if run is None:
                unread.append(Message("salvage-pieces-unreadable", first=first))
                continue
            if first > expected:
                salvaged.lost.append(
                    Message("salvage-gap-unreadable", first=expected, last=first - 1)
                )
            unread.clear()
            expected = run.end
            saved += new.execute(insert, [getattr(run, name) for name in names]).rowcount
            salvaged.pieces += run.pieces
    if unread:
        salvaged.lost.append(Message("salvage-pieces-unreadable", first=expected))
    salvaged.rows[runs.name] = saved
    if readable.damaged_records:
        # The restore discards them later.
        salvaged.lost.append(Message("salvage-records-damaged", count=readable.damaged_records))


def _build_insert(table: str, names: list[str]) -> str:
    marks = ", ".join("?" * len(names))
    words = ("INSERT OR IGNORE INTO", table, "(", ", ".join(names), ") VALUES (", marks, ")")
    return " ".join(words)


def _read_rows(
    source: sqlite3.Connection, table: str, names: list[str], lost: list[Message]
) -> Iterator[tuple[Any, ...]]:
    """Yield number and values of each readable row, in order; describe the others in ``lost``."""
    columns = ", ".join(["rowid", *names])
    query = " ".join(("SELECT", columns, "FROM", table, "WHERE rowid > ? ORDER BY rowid LIMIT ?"))

    def read(after: int, count: int) -> list[tuple[int, ...]] | None:
        try:
            return source.execute(query, (after, count)).fetchall()
        except sqlite3.DatabaseError:
            return None

    last, count = -1, _BATCH
    while True:
        rows = read(last, count)
        if rows is None and count > 1:
            count = 1  # continue row by row up to the damage
            continue
        if rows is None:
            following = _find_readable(read, last)
            if following is None:
                lost.append(Message("salvage-later-rows-unreadable", table=table, row=last))
                return
            lost.append(
                Message("salvage-rows-unreadable", start=last + 1, end=following, table=table)
            )
            last, count = following, _BATCH
            continue
        rows = [row for row in rows if row[0] > last]
        if not rows:
            return
        yield from rows
        last = rows[-1][0]


def _find_readable(read: Callable[[int, int], object | None], last: int) -> int | None:
    """Return the smallest number above ``last`` after which a row can be read, or None."""
    step = 1
    while last + step < _LAST_ROW and read(last + step, 1) is None:
        step *= 2
    if last + step >= _LAST_ROW:
        return None
    low, high = last + step // 2, last + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if read(middle, 1) is None else (low, middle)
    return high


def _drop_orphans(new: sqlite3.Connection, salvaged: Salvaged) -> None:
    """Remove rows that refer to rows that could not be read."""
    counts: Counter[tuple[str, str]] = Counter()
    while orphans := new.execute("PRAGMA foreign_key_check").fetchall():
        for table, row, parent, _ in orphans:
            delete = " ".join(("DELETE FROM", table, "WHERE rowid = ?"))
            counts[table, parent] += new.execute(delete, (row,)).rowcount
    salvaged.lost += (
        Message("salvage-rows-orphaned", count=count, table=table, parent=parent)
        for (table, parent), count in counts.items()
    )
