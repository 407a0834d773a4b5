"""Bringing a store of an older release to this release's schema.

One transaction holds all of it: whatever ends in between leaves the store as it was.  Nobody else
has the store open meanwhile: an older release that goes on with it would write what this one does
not expect.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import text

from anchor.errors import StoreBusyError
from anchor.store.alembic_runner import is_outdated, migrate
from anchor.store.database import (
    MIGRATION_HEAD,
    Database,
    check_schema,
    load_schema_version,
    lock_location,
)
from anchor.store.location import PostgresDatabase, SqliteFile, StoreLocation
from anchor.store.snapshot import copy_snapshot, copy_store, make_engine, open_file
from anchor.store.sqlite import SqliteBackend

# Seconds in which sessions that were closed before disappear.
_GRACE = 2.0
# The store's transaction waits while the copy is read again, which may take minutes.
_LET_IDLE = text("SET LOCAL idle_in_transaction_session_timeout = 0")
# Whoever opens the store reads this first, waits, and then finds the new schema.
_HOLD = text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
# Older releases do not name their sessions, this one names the schema.  The holder of the advisory
# lock is this process.
_OTHERS = text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend' "
    "AND application_name IN ('', left('anchor ' || current_schema(), 63)) "
    "AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (classid::bigint << 32 | objid::bigint) = "
    "('x' || md5('anchor lease of ' || current_schema()))::bit(64)::bigint) ORDER BY pid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutdatedStore:
    """A store of an older schema that nobody else has open.

    ``copy`` copies it into a file and returns its schema version; ``upgrade`` migrates it, which is
    committed when the block ends.
    """

    version: str
    copy: Callable[[Path], str]
    upgrade: Callable[[], None]


@contextmanager
def hold_outdated(location: StoreLocation) -> Iterator[OutdatedStore | None]:
    """Lock a store of an older schema for its upgrade; yield None for one of this release's.

    Raises:
        ConfigError: There is no store.
        UnknownVersionError: A newer release made it.
        LeaseHeldError: Another process holds the store's lease.
        StoreBusyError: Another process has the store open.
    """
    if _find_outdated(location) is None:
        yield None
        return
    with lock_location(location):
        # Another process may have upgraded it meanwhile.
        version = _find_outdated(location)
        if version is None:
            yield None
        elif isinstance(location, SqliteFile):
            with _hold_file(location, version) as outdated:
                yield outdated
        else:
            with _hold_tables(location, version) as outdated:
                yield outdated


def _find_outdated(location: StoreLocation) -> str | None:
    version = load_schema_version(location)
    if version is not None and is_outdated(version, MIGRATION_HEAD):
        return version
    check_schema(location, version)
    return None


@contextmanager
def _hold_file(location: SqliteFile, version: str) -> Iterator[OutdatedStore]:
    engine = make_engine(location.path, "rw", begin="BEGIN IMMEDIATE")
    database = Database(SqliteBackend(location.path), engine)
    with closing(database), database.translate_errors(), engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        try:
            # SQLite gives up the write-ahead log only where no other connection has the file open.
            driver.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            raise _busy_error(location, "") from error
        # The rollback journal is the commit: its removal is to be on disk, too.
        driver.execute("PRAGMA synchronous=EXTRA")
        with connection.begin(), open_file(location.path) as reader:
            yield OutdatedStore(
                version=version,
                copy=partial(copy_store, reader),
                upgrade=partial(migrate, connection),
            )
        # A crash here: whoever opens the store next switches the write-ahead log on.
        with suppress(sqlite3.Error):
            driver.execute("PRAGMA journal_mode=WAL")


@contextmanager
def _hold_tables(location: PostgresDatabase, version: str) -> Iterator[OutdatedStore]:
    from anchor.store.postgresql import PostgresBackend

    backend = PostgresBackend(location)
    engine = backend.open()
    database = Database(backend, engine)
    options = engine.execution_options(**backend.sequencing)
    with closing(database), database.translate_errors(), options.begin() as connection:
        connection.execute(_LET_IDLE)
        connection.execute(_HOLD)
        # A session that has just been closed is listed until its server process has ended.
        end = time.monotonic() + _GRACE
        while others := connection.execute(_OTHERS).scalars().all():
            if time.monotonic() < end:
                time.sleep(0.1)
                continue
            numbers = ", ".join(map(str, others))
            raise _busy_error(location, f" (the server's processes {numbers})")
        yield OutdatedStore(
            version=version,
            copy=partial(copy_snapshot, connection),
            upgrade=partial(migrate, connection),
        )


def _busy_error(location: StoreLocation, which: str) -> StoreBusyError:
    return StoreBusyError(
        f"other processes have the store {location} open{which}",
        hint="stop `anchor serve` and whatever else works with it, on every machine, then run "
        "again; nothing was changed",
    )
