"""Upgrade of an older release's store to this release's schema.

The whole upgrade is one transaction, so that an interruption leaves the store unchanged.  No other
process may have the store open meanwhile: an older release that continued to use it would write
rows that this one does not expect.
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
from anchor.messages.message import Message, join
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

# Seconds to wait for sessions that were just closed to disappear from the list.
_GRACE = 2.0
# The store's transaction idles while the copy is verified, which may take minutes.
_LET_IDLE = text("SET LOCAL idle_in_transaction_session_timeout = 0")
# A process that opens the store reads this table first, so it waits and finds the new schema.
_HOLD = text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
# Older releases do not name their sessions; this one names the schema.  The advisory lock is held
# by this process.
_OTHERS = text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend' "
    "AND application_name IN ('', left('anchor ' || current_schema(), 63)) "
    "AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (classid::bigint << 32 | objid::bigint) = "
    "('x' || md5('anchor lease of ' || current_schema()))::bit(64)::bigint) ORDER BY pid"
)


# Within a transaction, the list of sessions stays as first read until this is called.
_FORGET = text("SELECT pg_stat_clear_snapshot()")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutdatedStore:
    """A store of an older schema, which no other process has open.

    ``copy`` copies the store into a file and returns its schema version; ``upgrade`` migrates the
    store, which is committed when the block ends.
    """

    version: str
    copy: Callable[[Path], str]
    upgrade: Callable[[], None]


@contextmanager
def hold_outdated(location: StoreLocation) -> Iterator[OutdatedStore | None]:
    """Lock a store of an older schema for its upgrade; yield None if its schema is current.

    Raises:
        ConfigError: The store does not exist.
        UnknownVersionError: A newer release made the store.
        LeaseHeldError: Another process holds the store's lease.
        StoreBusyError: Another process has the store open.
    """
    if _find_outdated(location) is None:
        yield None
        return
    with lock_location(location):
        # Another process may have upgraded the store meanwhile.
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
            # SQLite leaves WAL mode only if no other connection has the file open.
            driver.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            raise StoreBusyError(
                Message("store-open-elsewhere", store=str(location)),
                hint=Message("store-open-elsewhere-hint"),
            ) from error
        # Removing the rollback journal is the commit, so the removal must be synced, too.
        driver.execute("PRAGMA synchronous=EXTRA")
        with connection.begin(), open_file(location.path) as reader:
            yield OutdatedStore(
                version=version,
                copy=partial(copy_store, reader),
                upgrade=partial(migrate, connection),
            )
        # A crash here: the next process that opens the store switches WAL mode on.
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
                connection.execute(_FORGET)
                continue
            raise StoreBusyError(
                Message(
                    "store-open-elsewhere-processes",
                    store=str(location),
                    numbers=join(map(str, others)),
                ),
                hint=Message("store-open-elsewhere-hint"),
            )
        yield OutdatedStore(
            version=version,
            copy=partial(copy_snapshot, connection),
            upgrade=partial(migrate, connection),
        )
