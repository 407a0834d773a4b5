"""The store in a PostgreSQL database: several processes take evidence in, one seals and sends.

A commit is acknowledged only when PostgreSQL says that it is on disk: a server with ``fsync`` off,
or one that only follows another, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar

from psycopg import Connection as DriverConnection
from psycopg import errors as driver_errors
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import NullPool

from anchor.errors import (
    AnchorError,
    ConfigError,
    LeaseHeldError,
    StoreAwayError,
    StoreBusyError,
    StoreReplacedError,
)
from anchor.store.location import IS_FENCED, REPLACED, PostgresDatabase, lock_key
from anchor.store.postgresql_purge import rewrite_log, rewrite_tables, wait_for_readers
from anchor.store.schema import metadata

# Seconds until a connection attempt, or a wait for another transaction's lock, is given up.
_PATIENCE = 10
# A server that is gone without a word is noticed within about half a minute.
_KEEPALIVES = {
    "connect_timeout": _PATIENCE,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Of the schema the store is in, so that several stores in one database have several locks.
_LOCK = text(f"SELECT {lock_key('lease of')}")
_CREATION_TURN = text(f"SELECT pg_advisory_xact_lock({lock_key('creation in')})")
# What a store is filled with may be long in coming: nodes are asked while it is.
_LET_IDLE = text("SET LOCAL idle_in_transaction_session_timeout = 0")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_IS_LOCKED = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (classid::bigint << 32 | objid::bigint) = :key)"
)
# Refused in a read-only transaction, and to a user who may not insert.
_INSERT_NOTHING = text("INSERT INTO evidence SELECT * FROM evidence WHERE false")
# Its commit waits for the disk, and for a standby that commits wait for.
_MARK = text("SELECT pg_logical_emit_message(true, 'anchor', '')")

# Another transaction was in the way: what was begun is rolled back, and can be done again.
_DISTURBED = (
    driver_errors.SerializationFailure,
    driver_errors.DeadlockDetected,
    driver_errors.LockNotAvailable,
)


# What an administrator has to see to.
_SET_UP = (
    driver_errors.InsufficientPrivilege,
    driver_errors.InvalidSchemaName,
    driver_errors.UndefinedTable,
)


class PostgresBackend:
    """What is particular to a store in PostgreSQL."""

    reading: ClassVar[Mapping[str, Any]] = {
        "isolation_level": "REPEATABLE READ",
        "postgresql_readonly": True,
    }
    sequencing: ClassVar[Mapping[str, Any]] = {"isolation_level": "REPEATABLE READ"}
    attempts = 5
    has_one_writer = False
    errors = (driver_errors.Error,)
    contradictions = (driver_errors.IntegrityError,)

    def __init__(self, location: PostgresDatabase) -> None:
        self._location = location

    def is_taken(self) -> bool:
        """Say whether there are tables of a store, or any of such a name."""
        with self._connect() as connection:
            return _holds_tables(connection)

    def create(self) -> Engine:
        """Return an engine; nothing is asked yet."""
        return self._make_engine()

    def claim(self, connection: Connection) -> None:
        """See that there is no store yet; another process that makes one at once waits.

        Raises:
            ConfigError: there is one.
        """
        connection.execute(_LET_IDLE)
        connection.execute(_CREATION_TURN)
        if _holds_tables(connection):
            raise ConfigError(
                f"there is already a store in {self._location}",
                hint="name another database, or another schema of it",
            )

    def undo_creation(self) -> None:
        """Do nothing: the tables were made in one transaction, or not."""

    def open(self) -> Engine:
        """Return an engine; nothing is asked yet."""
        return self._make_engine()

    def prepare(self, engine: Engine) -> None:
        """Refuse a server that would lose an acknowledged commit.

        Raises:
            ConfigError: ``fsync`` or ``full_page_writes`` is off, or it is a read replica.
        """
        try:
            with engine.execution_options(**self.reading).connect() as connection:
                for setting in ("fsync", "full_page_writes"):
                    if connection.execute(text(f"SHOW {setting}")).scalar_one() != "on":
                        raise ConfigError(
                            f"{setting} is off in {self._location}: "
                            "a power cut would lose evidence",
                            hint=f"set {setting} = on in postgresql.conf",
                        )
                if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
                    raise ConfigError(
                        f"{self._location} only follows another server",
                        hint="name the one that it follows",
                    )
        except OperationalError as error:
            raise self._unavailable(error) from error

    def explain(self, error: Exception) -> AnchorError | None:
        """Return what a database error means; None where it is our own bug."""
        original = getattr(error, "orig", error)
        if isinstance(original, _DISTURBED):
            return StoreBusyError(
                f"another process was in the way in {self._location}",
                hint="run again; nothing was changed",
            )
        if isinstance(original, driver_errors.RaiseException) and REPLACED in str(original):
            return self._replaced()
        if isinstance(original, _SET_UP):
            return ConfigError(
                f"the store {self._location} cannot be used: {_first_line(original)}",
                hint="let the database's administrator see to the schema and to what this user may "
                "do in it",
            )
        # Of the latter kind are a server that became a replica, and a transaction that idled.
        if isinstance(original, (driver_errors.OperationalError, driver_errors.InternalError)):
            return self._unavailable(error)
        return None

    def write_lock(self) -> AbstractContextManager[None]:
        """Lock nothing: PostgreSQL's writers work side by side."""
        return nullcontext()

    def check_room(self, size: int) -> None:
        """Leave the server's disk to whoever runs it."""

    def purge(self, engine: Engine) -> Sequence[str]:
        """Rewrite the tables and, where this user may, the server's write-ahead log."""
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            wait_for_readers(connection)
            rewrite_tables(connection)
            return rewrite_log(connection)

    @property
    def read_only_note(self) -> str | None:
        """Return None: a server that cannot be written to is refused."""
        return None

    def release(self) -> None:
        """Do nothing: there is no copy."""

    def check_same(self) -> None:
        """Do nothing: a connection is to the server that it was made to."""

    def check_current(self, connection: Connection) -> None:
        """Check that no restore has fenced the store off.

        Raises:
            StoreReplacedError: One has.
        """
        if connection.execute(text(IS_FENCED)).scalar_one():
            raise self._replaced()

    def write_mark(self, connection: Connection) -> None:
        """Write to the server's log what no table shows, and see that rows could be inserted."""
        connection.execute(_INSERT_NOTHING)
        connection.execute(_MARK)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the advisory lock on a connection of its own: both end with this process.

        Raises:
            LeaseHeldError: another process holds it.
            ConfigError: there is no such schema.
        """
        with self._connect(isolation_level="AUTOCOMMIT") as connection:
            key = connection.execute(_LOCK).scalar_one()
            if key is None:
                raise ConfigError(
                    f"the schema of {self._location} does not exist",
                    hint="let the database's administrator create it (CREATE SCHEMA)",
                )
            if not connection.execute(_TRY_LOCK, {"key": key}).scalar_one():
                raise LeaseHeldError(
                    f"another process is sealing or anchoring for this log ({self._location})",
                    hint="wait until it is done, or stop it",
                )
            yield

    def is_locked(self) -> bool:
        """Say whether some process holds the lock; asking never takes it."""
        with self._connect() as connection:
            key = connection.execute(_LOCK).scalar_one()
            return bool(connection.execute(_IS_LOCKED, {"key": key}).scalar_one())

    @contextmanager
    def _connect(self, **options: Any) -> Iterator[Connection]:
        """Open a connection for the block alone."""
        try:
            with self._make_engine(poolclass=NullPool, **options).connect() as connection:
                yield connection
        except OperationalError as error:
            raise self._unavailable(error) from error

    def _make_engine(self, **options: Any) -> Engine:
        try:
            url = make_url(self._location.url).set(drivername="postgresql+psycopg")
            engine = create_engine(url, connect_args=_KEEPALIVES, **options)
        except (ArgumentError, ValueError):
            raise ConfigError(f"the store's URL {self._location} is malformed") from None
        event.listen(engine, "connect", _configure_connection)
        return engine

    def _replaced(self) -> StoreReplacedError:
        return StoreReplacedError(
            f"{self._location} refuses what is new: {REPLACED}",
            hint="name the store that replaced it as the `store` in anchor.toml, then start "
            "again; nothing was acknowledged",
        )

    def _unavailable(self, error: Exception) -> StoreAwayError:
        reason = _first_line(getattr(error, "orig", error))
        url = make_url(self._location.url)
        hidden = [value for name, value in url.query.items() if "password" in name.lower()]
        for password in (url.password, *hidden):
            if password:
                reason = reason.replace(str(password), "(hidden)")
        return StoreAwayError(
            f"the store {self._location} cannot be used: {reason}",
            hint="see to the database; whether the last change was made shows when it is back, and "
            "doing it again does it once",
        )


def _holds_tables(connection: Connection) -> bool:
    names = inspect(connection).get_table_names()
    return not {"alembic_version", *metadata.tables}.isdisjoint(names)


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]


def _configure_connection(connection: DriverConnection[Any], _record: object) -> None:
    with connection.cursor() as cursor:
        # Whatever the server's default is: what is acknowledged is on disk.
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone() in (("off",), ("local",)):
            cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = '{_PATIENCE}s'")
        # By which `anchor upgrade-store` knows who works with the store of which schema.
        cursor.execute(
            "SELECT set_config('application_name', 'anchor ' || current_schema(), false)"
        )
    connection.commit()
