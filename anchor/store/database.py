"""Opening and creating the store.

Only ``create_database`` creates; opening a store that is not there is an error, never an empty log.
SQLite runs with a write-ahead log and ``synchronous=FULL``: an acknowledged commit survives a power
cut (with NORMAL it does not).  Every write transaction begins IMMEDIATE, so that two writers wait
for each other instead of failing half-way.

SQLite from 3.7.0 to 3.51.2 can damage a database when one connection commits and starts the log
from its beginning just as another begins to copy the log into the database
(https://www.sqlite.org/wal.html#walresetbug).  Giving up the log there would make readers block
writers.  Instead writers of all versions take turns by a lock file of their own, which is held
until a commit and the copying that it starts are done: these never run at the same time as another
commit.  The copying by the last connection to close is exclusive in SQLite itself.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from anchor.errors import ChainGuardError, ConfigError, StorageError, UnknownVersionError
from anchor.store.lock import wait_for_lock

# How long a writer waits for another process's commit before it gives up, in milliseconds.
_BUSY_TIMEOUT_MS = 10_000
MIGRATION_HEAD = "0001"
"""The schema version this release reads and writes."""


class Database:
    """An open store: ``write`` for a transaction that changes something, ``read`` otherwise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(anchor_read_only=True)
        self._turn = Path(f"{engine.url.database}-turn.lock")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run one transaction; on return from the block it is committed and synced to disk."""
        wait = _BUSY_TIMEOUT_MS / 1000
        with _translated(), wait_for_lock(self._turn, wait), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run reads against one consistent snapshot."""
        with _translated(), self._reader.begin() as connection:
            yield connection

    def find_damage(self) -> list[str]:
        """Return what SQLite finds wrong with its file: torn pages, indices unlike their tables."""
        with self.read() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars().all()
        return [] if found == ["ok"] else [str(line) for line in found]

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()


def create_database(path: Path) -> Database:
    """Create a new, empty store at ``path`` through the migrations.

    Raises:
        ConfigError: something is there already.
    """
    from alembic import command
    from alembic.config import Config

    try:
        # O_EXCL: two `init` at once must not both succeed.  0600: records hold salts.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError as error:
        raise ConfigError(f"there is already a store at {path}") from error
    except OSError as error:
        raise ConfigError(f"the store {path} cannot be created: {error.strerror}") from error
    engine = _make_engine(path)
    _write_ahead(engine)
    config = Config()
    config.set_main_option("script_location", "anchor.store:migrations")
    config.set_main_option("path_separator", "os")
    with _translated(), engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return Database(engine)


def open_database(path: Path) -> Database:
    """Open the store at ``path``, which must exist and have this release's schema.

    Raises:
        ConfigError: it is not there, or is no store.
        UnknownVersionError: another schema version.
    """
    if not path.is_file():
        raise ConfigError(
            f"the store {path} is missing",
            hint="restore it from a backup; only `anchor init` creates one, in a new folder",
        )
    engine = _make_engine(path)
    database = Database(engine)
    with database.read() as connection:
        version = _schema_version(connection)
    if version != MIGRATION_HEAD:
        raise UnknownVersionError(
            f"the store {path} has schema {version}; this release works with {MIGRATION_HEAD}"
        )
    _write_ahead(engine)
    return database


def _schema_version(connection: Connection) -> str | None:
    from sqlalchemy import column, table

    return connection.execute(
        select(column("version_num")).select_from(table("alembic_version"))
    ).scalar_one_or_none()


def _make_engine(path: Path) -> Engine:
    # autobegin is ours: pysqlite would begin DEFERRED and fail on the upgrade to a write lock.
    # Not a URL in text: a folder's name may hold ? or %.
    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _configure_connection)
    event.listen(engine, "begin", _begin_transaction)
    return engine


def _configure_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(engine: Engine) -> None:
    """Switch the file to WAL, where it stays; never one of which we do not know that it is ours.

    Raises:
        ConfigError: SQLite cannot write ahead there, and without that FULL is not enough.
    """
    with _translated(), closing(engine.raw_connection()) as connection:
        (mode,) = connection.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise ConfigError(
            f"the store {engine.url.database} cannot be kept there: SQLite has no write-ahead log "
            f"on that file system, only {mode}",
            hint="put the project on a disk of this machine",
        )


def _begin_transaction(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("anchor_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        reason = str(getattr(error, "orig", error))
        if "locked" in reason:
            raise ChainGuardError(
                "the store is locked by another process",
                hint="wait for it, or stop it; nothing was changed",
            ) from error
        if "disk" in reason:  # "disk I/O error", "database or disk is full"
            raise StorageError(
                f"the store cannot be written or read: {reason}", hint=_DISK_HINT
            ) from error
        raise ConfigError(f"the store cannot be used: {reason}") from error
    except IntegrityError as error:
        raise ChainGuardError(
            f"the store contradicts itself: {error.orig}",
            hint="it was damaged or altered: restore it from a backup; nothing was changed",
        ) from error
    except DatabaseError as error:
        if "not a database" in str(error.orig) or "malformed" in str(error.orig):
            raise ConfigError(f"the store cannot be read: {error.orig}") from error
        raise


_DISK_HINT = (
    "see to the disk (`df`, `dmesg`), then run the same again: what is stored already is not "
    "stored twice"
)
