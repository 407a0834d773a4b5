"""Copies of a store: one snapshot in a SQLite file, made while other processes keep writing.

A SQLite store is copied by SQLite's online backup, page by page; a store in PostgreSQL is copied
row by row from one snapshot.  Either copy is a single file, without a log beside it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, create_engine, event, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from anchor.base.errors import StorageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import open_private
from anchor.store.database import Database, check_schema
from anchor.store.location import SqliteFile, has_write_ahead_log
from anchor.store.schema import metadata
from anchor.store.schema_version import create_schema, read_schema_version
from anchor.store.sqlite import SqliteBackend

_BATCH = 1_000
# Rows of this table take up to some 200 KB.
_WIDE = {"runs": 8}


def copy_store(database: Database, target: Path) -> None:
    """Copy a snapshot of the store into the new file ``target``.

    The copy blocks no writer, and excludes rows that are written meanwhile.  It is not durable yet.
    """
    os.close(open_private(target, os.O_CREAT | os.O_EXCL | os.O_RDWR))
    with database.read() as connection:
        try:
            if connection.dialect.name == "sqlite":
                _copy_pages(connection, target)
            else:
                _copy_rows(connection, target)
        except (sqlite3.Error, DBAPIError) as error:
            reason = getattr(error, "orig", error)
            if not isinstance(reason, sqlite3.Error):
                raise  # an error of the server, which ``read`` translates
            raise StorageError(
                Message("store-copy-failed", target=target, reason=reason),
                hint=Message("disk-check-then-rerun-hint"),
            ) from error
    if has_write_ahead_log(target):
        raise StorageError(
            Message("store-copy-unfinished", path=target),
            hint=Message("disk-check-then-rerun-hint"),
        )


@contextmanager
def open_copy(path: Path) -> Iterator[Database]:
    """Open a copy for reading; ``path`` and its folder are not written to."""
    # No process writes to a copy: SQLite creates no file beside it, and needs no permission to.
    engine = _make_engine(path, "ro&immutable=1")
    with closing(Database(SqliteBackend(path), engine)) as database:
        with database.read() as connection:
            version = read_schema_version(connection)
        check_schema(SqliteFile(path), version)
        yield database


def _make_engine(path: Path, mode: str) -> Engine:
    """Return an engine for a store's file, with SQLite's URI parameter ``mode``.

    Foreign keys are not enforced: a copy has the store's rows as they are.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    # The driver's own transactions would commit before each change of a table.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN") and None)
    return engine


def _copy_pages(connection: Connection, target: Path) -> None:
    source = connection.connection.driver_connection
    assert isinstance(source, sqlite3.Connection)
    with closing(sqlite3.connect(target)) as copy:
        # The caller syncs the whole file once.
        copy.execute("PRAGMA synchronous=OFF")
        # In one step: between two steps, another process's commit would restart the backup.
        source.backup(copy, pages=-1)
        # The mode of every store's file, so that opening it for writing does not change its
        # bytes.
        copy.execute("PRAGMA journal_mode=WAL")


def _copy_rows(connection: Connection, target: Path) -> None:
    """Fill ``target`` with the rows of every table."""
    engine = _make_engine(target, "rw")
    with engine.connect() as copy:
        driver = copy.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA synchronous=OFF")
        driver.execute("PRAGMA journal_mode=WAL")
        with copy.begin():
            create_schema(copy)
            for table in metadata.sorted_tables:
                _copy_table(connection, copy, table)


def _copy_table(source: Connection, target: Connection, table: Table) -> None:
    batch_size = _WIDE.get(table.name, _BATCH)
    selected = source.execute(select(table).execution_options(yield_per=batch_size))
    for batch in selected.mappings().partitions():
        target.execute(insert(table), [dict(row) for row in batch])
