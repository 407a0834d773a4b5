"""Copies of a store: one snapshot in a SQLite file, made while other processes keep writing.

A SQLite store is copied by SQLite's online backup, page by page; a store in PostgreSQL is copied
row by row from one snapshot.  Either copy is a single file, without a log beside it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, column, create_engine, event, insert, inspect, select
from sqlalchemy import table as name_table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from anchor.errors import ConfigError, StorageError
from anchor.messages.message import Message
from anchor.store.alembic_runner import is_outdated, migrate, read_schema_version
from anchor.store.database import MIGRATION_HEAD, Database, check_schema
from anchor.store.location import SqliteFile, has_write_ahead_log
from anchor.store.schema_creation import create_schema
from anchor.store.sqlite import SqliteBackend
from anchor.system.durable_files import open_private
from anchor.system.os_errors import describe_os_error

_BATCH = 1_000
# Rows of this table take up to some 200 KB.
_WIDE = {"runs": 8}


def copy_store(database: Database, target: Path) -> str:
    """Copy a snapshot of the store into the new file ``target``; return its schema version.

    The copy blocks no writer, and excludes rows that are written meanwhile.  It is not durable yet.

    Raises:
        ConfigError: The store is empty.
        StorageError: The disk is full or failing, or the store's server is unreachable.
        FileExistsError: ``target`` exists already.
    """
    with database.read() as connection:
        return copy_snapshot(connection, target)


def copy_snapshot(connection: Connection, target: Path) -> str:
    """Copy the state that a transaction sees, as ``copy_store`` does."""
    version = read_schema_version(connection)
    if version is None:
        raise ConfigError(Message("store-empty"), hint=Message("store-rebuild-hint"))
    os.close(open_private(target, os.O_CREAT | os.O_EXCL | os.O_RDWR))
    try:
        if connection.dialect.name == "sqlite":
            _copy_pages(connection, target)
        else:
            _copy_rows(connection, target, version)
    except (sqlite3.Error, DBAPIError) as error:
        reason = getattr(error, "orig", error)
        if not isinstance(reason, sqlite3.Error):
            raise  # an error of the server, which the caller translates
        raise StorageError(
            Message("store-copy-failed", target=target, reason=reason),
            hint=Message("disk-check-then-rerun-hint"),
        ) from error
    if has_write_ahead_log(target):
        raise StorageError(
            Message("store-copy-unfinished", path=target),
            hint=Message("disk-check-then-rerun-hint"),
        )
    return version


@contextmanager
def open_copy(path: Path) -> Iterator[Database]:
    """Open a copy for reading, upgraded to this release's schema if it has an older one.

    ``path`` and its folder are not written to; an upgrade is made in a temporary copy.

    Raises:
        ConfigError: The file is not a store.
        UnknownVersionError: A newer release made the store.
        StorageError: The disk is full or failing.
    """
    if not is_older_copy(path):
        with open_file(path, immutable=True) as database:
            yield database
        return
    with tempfile.TemporaryDirectory(prefix="anchor-store-") as folder:
        upgraded = Path(folder, path.name)
        try:
            shutil.copyfile(path, upgraded)
        except OSError as error:
            raise StorageError(
                Message(
                    "store-file-copy-failed",
                    path=path,
                    folder=folder,
                    reason=describe_os_error(error),
                ),
                hint=Message("store-file-copy-hint"),
            ) from error
        upgrade_copy(upgraded)
        with open_file(upgraded, immutable=True) as database:
            yield database


def is_older_copy(path: Path) -> bool:
    """Return whether a copy has an older schema and needs ``upgrade_copy`` before its use.

    Raises:
        ConfigError: The file is not a store.
        UnknownVersionError: A newer release made the store.
    """
    with open_file(path, immutable=True) as database, database.read() as connection:
        version = read_schema_version(connection)
    if version is not None and is_outdated(version, MIGRATION_HEAD):
        return True
    check_schema(SqliteFile(path), version)
    return False


def upgrade_copy(path: Path, revision: str = "head") -> None:
    """Migrate a SQLite file that no other process has open; nothing is synced to disk.

    Raises:
        StorageError: The disk is full or failing.
    """
    engine = make_engine(path, "rw")
    database = Database(SqliteBackend(path), engine)
    with closing(database), database.translate_errors(), engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        # New pages need no rollback journal, but they would all go through a write-ahead log.
        driver.execute("PRAGMA journal_mode=DELETE")
        driver.execute("PRAGMA synchronous=OFF")
        with connection.begin():
            migrate(connection, revision)
        driver.execute("PRAGMA journal_mode=WAL")


@contextmanager
def open_file(path: Path, *, immutable: bool = False) -> Iterator[Database]:
    """Open a store's file for reading, whatever its schema version.

    ``immutable`` states that no process writes to the file: SQLite then creates no file beside it,
    and needs no permission to.
    """
    database = Database(
        SqliteBackend(path), make_engine(path, "ro&immutable=1" if immutable else "rw")
    )
    with closing(database):
        yield database


def make_engine(path: Path, mode: str, *, begin: str = "BEGIN") -> Engine:
    """Return an engine for a store's file, with SQLite's URI parameter ``mode``.

    Foreign keys are not enforced, because a migration may recreate a table.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        opened = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        if mode == "rw":
            # Many systems' SQLite zeroes dropped tables, and so journals them whole.  A store that
            # is upgraded is rewritten afterwards, and copies are temporary.
            opened.execute("PRAGMA secure_delete=OFF")
        return opened

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    # The driver's own transactions would commit before each change of a table.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin) and None)
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


def _copy_rows(connection: Connection, target: Path, version: str) -> None:
    """Fill ``target`` with the rows of every table, whatever the schema version."""
    engine = make_engine(target, "rw")
    with engine.connect() as copy:
        driver = copy.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA synchronous=OFF")
        driver.execute("PRAGMA journal_mode=WAL")
        with copy.begin():
            if version == MIGRATION_HEAD:
                create_schema(copy, version)
            else:
                migrate(copy, version)
            tables = inspect(copy)
            for name in tables.get_table_names():
                if name != "alembic_version":
                    columns = [described["name"] for described in tables.get_columns(name)]
                    _copy_table(connection, copy, name, columns)


def _copy_table(source: Connection, target: Connection, name: str, columns: list[str]) -> None:
    rows = name_table(name, *map(column, columns))
    batch_size = _WIDE.get(name, _BATCH)
    selected = source.execute(select(rows).execution_options(yield_per=batch_size))
    for batch in selected.mappings().partitions():
        target.execute(insert(rows), [dict(row) for row in batch])
