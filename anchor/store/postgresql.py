"""The store in a PostgreSQL database: several processes accept evidence, one seals and sends.

A commit is acknowledged only when PostgreSQL confirms that it is on disk: a server with ``fsync``
off, or a read replica, is refused.
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

from anchor.base.errors import (
    AnchorError,
    ConfigError,
    LeaseHeldError,
    StoreAwayError,
    StoreBusyError,
    StoreReplacedError,
)
from anchor.base.messages.message import Message
from anchor.store.location import IS_FENCED, REPLACED, PostgresDatabase, lock_key
from anchor.store.postgresql_purge import rewrite_log, rewrite_tables, wait_for_readers
from anchor.store.schema import metadata
from anchor.store.schema_version import VERSION

# Timeout in seconds of a connection attempt, or of a wait for another transaction's lock.
_PATIENCE = 10
# A connection that is lost silently is detected within about half a minute.
KEEPALIVES: dict[str, Any] = {
    "connect_timeout": _PATIENCE,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Parameters of every connection to a server."""

# Specific to the store's schema, so that each store in one database has its own locks.
_LOCK = text(f"SELECT {lock_key('lease of')}")
_CREATION_TURN = text(f"SELECT pg_advisory_xact_lock({lock_key('creation in')})")
# Filling a store may take long, because nodes are queried meanwhile.
_LET_IDLE = text("SET LOCAL idle_in_transaction_session_timeout = 0")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_IS_LOCKED = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (classid::bigint << 32 | objid::bigint) = :key)"
)
_SERVER_PROCESS = text("SELECT pg_backend_pid()")
# Comparisons of server processes: beside other clients, a pooler may once give back the same one.
_COMPARISONS = 5
# Inserts no row, but fails in a read-only transaction or without the right to insert.
_INSERT_NOTHING = text("INSERT INTO runs SELECT * FROM runs WHERE false")
# Writes to the write-ahead log only; the commit waits for the disk and any synchronous standby.
_MARK = text("SELECT pg_logical_emit_message(true, 'anchor', '')")

# Another transaction interfered: this one was rolled back, and can be retried.
_DISTURBED = (
    driver_errors.SerializationFailure,
    driver_errors.DeadlockDetected,
    driver_errors.LockNotAvailable,
)


# Errors that an administrator has to correct.
_SET_UP = (
    driver_errors.InsufficientPrivilege,
    driver_errors.InvalidSchemaName,
    driver_errors.UndefinedTable,
)


class PostgresBackend:
    """The backend of a store in PostgreSQL."""

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
        """Return whether the schema has a table with the name of one of a store's tables."""
        with self._connect() as connection:
            return _holds_tables(connection)

    def create(self) -> Engine:
        """Return an engine, without connecting to the server."""
        return self._make_engine()

    def claim(self, connection: Connection) -> None:
        """Check that no store exists yet; another process that creates one meanwhile waits."""
        connection.execute(_LET_IDLE)
        connection.execute(_CREATION_TURN)
        if _holds_tables(connection):
            raise ConfigError(
                Message("store-exists-in-database", store=str(self._location)),
                hint=Message("store-exists-in-database-hint"),
            )

    def undo_creation(self) -> None:
        """Do nothing: the tables are created in one transaction, which was rolled back."""

    def open(self) -> Engine:
        """Return an engine, without connecting to the server."""
        return self._make_engine()

    def prepare(self, engine: Engine) -> None:
        """Refuse a server that would lose an acknowledged commit.

        Raises:
            ConfigError: ``fsync`` or ``full_page_writes`` is off, the server is a read replica, or
                a pooler gives each transaction another connection.
        """
        try:
            with engine.execution_options(**self.reading).connect() as connection:
                for setting in ("fsync", "full_page_writes"):
                    if connection.execute(text(f"SHOW {setting}")).scalar_one() != "on":
                        raise ConfigError(
                            Message(
                                "store-durability-off", setting=setting, store=str(self._location)
                            ),
                            hint=Message("store-durability-hint", setting=setting),
                        )
                if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
                    raise ConfigError(
                        Message("store-on-replica", store=str(self._location)),
                        hint=Message("store-on-replica-hint"),
                    )
        except OperationalError as error:
            raise self._unavailable(error) from error
        with self._connect(isolation_level="AUTOCOMMIT") as connection:
            self._check_pooler(connection)

    def explain(self, error: Exception) -> AnchorError | None:
        """Translate a database error; return None if it is a bug of this program."""
        original = getattr(error, "orig", error)
        if isinstance(original, _DISTURBED):
            return StoreBusyError(
                Message("store-busy-in-database", store=str(self._location)),
                hint=Message("command-run-again-unchanged-hint"),
            )
        if isinstance(original, driver_errors.RaiseException) and REPLACED in str(original):
            return self._replaced()
        if isinstance(original, _SET_UP):
            return ConfigError(
                Message("store-unusable", store=str(self._location), reason=_first_line(original)),
                hint=Message("store-database-setup-hint"),
            )
        # InternalError includes a server that became a replica, and a transaction that
        # idled too long.
        if isinstance(original, (driver_errors.OperationalError, driver_errors.InternalError)):
            return self._unavailable(error)
        return None

    def write_lock(self) -> AbstractContextManager[None]:
        """Lock nothing: PostgreSQL's writers run concurrently."""
        return nullcontext()

    def check_room(self, size: int) -> None:
        """Do nothing: the disk space is the responsibility of the server's administrator."""

    def purge(self, engine: Engine) -> Sequence[Message]:
        """Rewrite the tables and, if this user is permitted to, the server's write-ahead log."""
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            wait_for_readers(connection)
            rewrite_tables(connection)
            return rewrite_log(connection)

    @property
    def read_only_note(self) -> Message | None:
        """Return None: a read-only server is refused."""
        return None

    def release(self) -> None:
        """Do nothing: PostgreSQL stores are never copied to be read."""

    def check_same(self) -> None:
        """Do nothing: a connection cannot change its server."""

    def check_current(self, connection: Connection) -> None:
        """Check that no restore has fenced the store off."""
        if connection.execute(text(IS_FENCED)).scalar_one():
            raise self._replaced()

    def write_mark(self, connection: Connection) -> None:
        """Write a message to the write-ahead log, and check that rows could be inserted."""
        connection.execute(_INSERT_NOTHING)
        connection.execute(_MARK)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the advisory lock on a separate connection: both end with this process.

        Raises:
            ConfigError: The schema does not exist, or a pooler would drop or keep the lock.
        """
        with self._connect(isolation_level="AUTOCOMMIT") as connection:
            self._check_pooler(connection)
            key = connection.execute(_LOCK).scalar_one()
            if key is None:
                raise ConfigError(
                    Message("store-schema-missing", store=str(self._location)),
                    hint=Message("store-schema-missing-hint"),
                )
            if not connection.execute(_TRY_LOCK, {"key": key}).scalar_one():
                raise LeaseHeldError(
                    Message("lease-held", path=str(self._location)),
                    hint=Message("process-wait-done-or-stop-hint"),
                )
            yield

    def is_locked(self) -> bool:
        """Return whether some process holds the lock, without taking it."""
        with self._connect() as connection:
            key = connection.execute(_LOCK).scalar_one()
            return bool(connection.execute(_IS_LOCKED, {"key": key}).scalar_one())

    def _check_pooler(self, connection: Connection) -> None:
        """Refuse a pooler that shares the server's connections between transactions.

        Behind it the lock outlives its process or ends before it, and what a connection sets, such
        as ``synchronous_commit``, holds for others and not for itself.  ``connection`` commits each
        statement, so such a pooler gives its server process to the other one.
        """
        with self._connect() as other:
            for _ in range(_COMPARISONS):
                own = connection.execute(_SERVER_PROCESS).scalar_one()
                taken = other.execute(_SERVER_PROCESS).scalar_one()
                if taken == own or connection.execute(_SERVER_PROCESS).scalar_one() != own:
                    raise ConfigError(
                        Message("store-behind-pooler", store=str(self._location)),
                        hint=Message("store-behind-pooler-hint"),
                    )
                other.rollback()

    @contextmanager
    def _connect(self, **options: Any) -> Iterator[Connection]:
        """Open a connection for the duration of the block."""
        try:
            with self._make_engine(poolclass=NullPool, **options).connect() as connection:
                yield connection
        except OperationalError as error:
            raise self._unavailable(error) from error

    def _make_engine(self, **options: Any) -> Engine:
        try:
            url = make_url(self._location.url).set(drivername="postgresql+psycopg")
            # A writer sees what was committed while it waited for the lock of the intake.
            options = {"isolation_level": "READ COMMITTED", **options}
            engine = create_engine(url, connect_args=KEEPALIVES, **options)
        except (ArgumentError, ValueError):
            raise ConfigError(Message("store-url-malformed", url=str(self._location))) from None
        event.listen(engine, "connect", _configure_connection)
        return engine

    def _replaced(self) -> StoreReplacedError:
        return StoreReplacedError(
            Message(
                "store-refuses-new",
                store=str(self._location),
                reason=Message("store-replaced-by-restore"),
            ),
            hint=Message("store-replaced-hint"),
        )

    def _unavailable(self, error: Exception) -> StoreAwayError:
        reason = _first_line(getattr(error, "orig", error))
        url = make_url(self._location.url)
        hidden = [value for name, value in url.query.items() if "password" in name.lower()]
        for password in (url.password, *hidden):
            if password:
                reason = reason.replace(str(password), "(hidden)")
        return StoreAwayError(
            Message("store-unusable", store=str(self._location), reason=reason),
            hint=Message("store-database-away-hint"),
        )


def _holds_tables(connection: Connection) -> bool:
    names = inspect(connection).get_table_names()
    return not {VERSION.name, *metadata.tables}.isdisjoint(names)


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]


def _configure_connection(connection: DriverConnection[Any], _record: object) -> None:
    with connection.cursor() as cursor:
        # Whatever the server's default, an acknowledged commit is on disk.
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone() in (("off",), ("local",)):
            cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = '{_PATIENCE}s'")
    connection.commit()
