"""Opening and creating the store, and its transactions.

Only ``create_database`` creates a store; opening a missing store is an error, never an empty log.
The specifics of each kind of database are in ``sqlite`` and ``postgresql``.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine, event, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from anchor.base.errors import (
    AnchorError,
    ChainGuardError,
    ConfigError,
    LeaseHeldError,
    SideFileHeldError,
    StoreAwayError,
    StoreBusyError,
    StoreReplacedError,
    UnknownVersionError,
)
from anchor.base.messages.message import Message
from anchor.store.acknowledged_log import SideFile, begin_noting
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.replication import SECOND_SERVER_NEEDED, Copies, CopyRule
from anchor.store.schema import lease
from anchor.store.schema_version import (
    FIRST_SCHEMA,
    SCHEMA_VERSION,
    create_schema,
    is_before_first,
    read_schema_version,
)

if TYPE_CHECKING:
    from anchor.store.standby_confirmation import StandbyCopies

UPGRADING_COMMIT = "2e65ec2adf88c68d56ddcdecdb2de0bf8110b969"
"""The last git commit whose code upgrades a store of an earlier schema to the first one."""

T = TypeVar("T")

# A store's first epoch is random, so that a process that held the lease of an earlier store at the
# same location never matches the epoch of this one.
_EPOCH_BITS = 62
_GENERATION = "anchor-generation"
# An upper bound on how often the lease can be taken between two checks.
_MOST_LEASES = 1 << 30


class Backend(Protocol):
    """The operations that differ between kinds of databases.

    ``reading`` and ``sequencing`` are SQLAlchemy's execution options for transactions that only
    read, and for those that need one snapshot from beginning to end.  ``attempts`` is how often a
    transaction is tried when others interfere with it.
    """

    @property
    def reading(self) -> Mapping[str, Any]: ...

    @property
    def sequencing(self) -> Mapping[str, Any]: ...

    @property
    def attempts(self) -> int: ...

    @property
    def has_one_writer(self) -> bool:
        """Return whether write transactions run one at a time."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Return the driver's exception types, for calls that bypass SQLAlchemy."""

    @property
    def contradictions(self) -> tuple[type[Exception], ...]:
        """Return the driver's exception types for a violated constraint of the schema."""

    def is_taken(self) -> bool:
        """Return whether the location of a new store is already in use."""

    def create(self) -> Engine:
        """Return an engine for a new database; raise ConfigError if the database exists already."""

    def claim(self, connection: Connection) -> None:
        """Check, in the transaction that creates the tables, that they do not exist already."""

    def undo_creation(self) -> None:
        """Remove the database that ``create`` made, after a failed creation."""

    def open(self) -> Engine:
        """Return an engine for a database that must exist."""

    def prepare(self, engine: Engine) -> None:
        """Set up a database known to hold a store; refuse a database that could lose commits."""

    def explain(self, error: Exception) -> AnchorError | None:
        """Translate a database error; return None if it is a bug of this program."""

    def write_lock(self) -> AbstractContextManager[object]:
        """Hold the write lock for one transaction; raise StoreBusyError if it stays taken."""

    def check_room(self, size: int) -> None:
        """Raise StorageError if ``size`` bytes would use up the disk space that anchoring needs."""

    def purge(self, engine: Engine) -> Sequence[Message]:
        """Rewrite the files on disk without changed or deleted data; return what remains."""

    @property
    def read_only_note(self) -> Message | None:
        """Return how a store on read-only media is read; None if the store is writable."""

    def release(self) -> None:
        """Remove the temporary copy made to read a store on read-only media."""

    def check_same(self) -> None:
        """Raise StoreReplacedError if the opened file was replaced by another one."""

    def check_current(self, connection: Connection) -> None:
        """Raise StoreReplacedError if the store is marked as replaced by another one."""

    def write_mark(self, connection: Connection) -> None:
        """Make a write that changes nothing in the log, but whose commit waits for the disk."""

    def lock(self) -> AbstractContextManager[None]:
        """Hold the lock of the one process that seals and sends; raise LeaseHeldError if taken."""

    def is_locked(self) -> bool:
        """Return whether a process holds the lock."""


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """A transaction's result, and how many servers hold its commit; None if one is enough."""

    result: T
    copies: int | None


class _ConnectionPool:
    """An engine's connections, which ``close`` closes: the idle ones now, the others once returned.

    SQLAlchemy's ``dispose`` alone leaves those in use to the garbage collector.  After ``retire``,
    threads that have not ended yet can still open connections, and each is closed once returned.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Incremented by each ``close``; each connection knows in which one it was opened.
        self._generation = 0
        self._is_retired = False
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "checkin", self._returned)

    def close(self) -> None:
        self._generation += 1
        self._engine.dispose()

    def retire(self) -> None:
        self._is_retired = True
        self.close()

    def _opened(self, _: object, entry: ConnectionPoolEntry) -> None:
        entry.info[_GENERATION] = self._generation

    def _returned(self, _: object, entry: ConnectionPoolEntry) -> None:
        if self._is_retired or entry.info.get(_GENERATION) != self._generation:
            entry.invalidate()


@dataclass(slots=True)
class _Transaction:
    connection: Connection
    copies: int | None = None


class Database:
    """An open store: ``write`` for a transaction that changes something, ``read`` otherwise.

    The process that seals or sends holds the *lease* and uses ``sequence``.  Taking the lease
    increments the store's epoch, and a transaction of an earlier epoch is refused: a process that
    was paused or cut off while another took over can never again change the log or sign.
    """

    def __init__(
        self,
        backend: Backend,
        engine: Engine,
        side_file: SideFile | None = None,
        copies: StandbyCopies | None = None,
    ) -> None:
        """Take ownership of an engine; with ``copies``, each commit waits for further servers."""
        self._copies = copies
        self._backend = backend
        self._writer = engine
        self._pool = _ConnectionPool(engine)
        self._reader = engine.execution_options(**backend.reading)
        self._sequencer = engine.execution_options(**backend.sequencing)
        self._epoch: int | None = None
        self._side_file = side_file
        # The newest epoch seen in the store that was opened.
        self._seen: int | None = None

    @property
    def has_one_writer(self) -> bool:
        """Return whether write transactions run one at a time."""
        return self._backend.has_one_writer

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run one transaction; on return from the block it is committed and synced to disk."""
        with self._write() as transaction:
            yield transaction.connection

    @contextmanager
    def _write(self) -> Iterator[_Transaction]:
        with (
            self.translate_errors(),
            self._backend.write_lock(),
            self._commit(self._writer) as transaction,
        ):
            side_file = self._side_file
            noted = begin_noting(transaction.connection, is_kept=side_file is not None)
            yield transaction
            # Synced before the commit, so that every committed row has an entry in the side file.
            if side_file is not None:
                side_file.append(noted)

    def write_with_retry(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, and retry it if other writers interfere.

        ``work`` must have no effects outside the store.
        """
        return self.write_counted(work).result

    def write_counted(self, work: Callable[[Connection], T]) -> Written[T]:
        """Run ``work`` as ``write_with_retry`` does, and count the servers that hold the commit."""
        for _ in range(self._backend.attempts - 1):
            try:
                return self._write_once(work)
            except SideFileHeldError:
                raise
            except StoreBusyError:
                continue
        return self._write_once(work)

    def _write_once(self, work: Callable[[Connection], T]) -> Written[T]:
        with self._write() as transaction:
            result = work(transaction.connection)
        return Written(result, transaction.copies)

    @contextmanager
    def _commit(self, engine: Engine) -> Iterator[_Transaction]:
        """Commit the block's transaction, on as many servers as required."""
        if self._copies is None:
            with engine.begin() as connection:
                yield _Transaction(connection)
            return
        with engine.connect() as connection:
            transaction = _Transaction(connection)
            with connection.begin():
                self._copies.admit(connection)
                yield transaction
                mark = self._copies.mark(connection)
            # A crash here: the commit is on the first server, and was not acknowledged.
            transaction.copies = self._copies.confirm(connection, mark)

    def read_copies(self) -> Copies | None:
        """Return how many servers hold the present commits; None if one server is enough.

        Raises:
            CopyMissingError: The store's role may no longer see the server's standbys.
        """
        if self._copies is None:
            return None
        from anchor.store.standby_confirmation import wait_for_copies

        with self.translate_errors(), self._writer.connect() as connection:
            return wait_for_copies(connection, self._copies.rule)

    def check_room(self, size: int) -> None:
        """Check that accepting records of ``size`` bytes leaves the disk space to anchor them."""
        self._backend.check_room(size)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run reads against one consistent snapshot."""
        with self.translate_errors():
            self._backend.check_same()
            with self._reader.begin() as connection:
                yield connection

    def try_writing(self) -> None:
        """Test that the store and its side file accept writes, without changing the log."""
        with self.write() as connection:
            self._backend.write_mark(connection)
            # In the same transaction: with a single writer, no other process waits for the file.
            if self._side_file is not None:
                self._side_file.try_appending()

    def check_same(self) -> None:
        """Check that the store is still the one that was opened.

        A store's epochs begin at a random number and only increase: those of another store are far
        away, and those of an older copy are lower.
        """
        with self.read() as connection:
            self._backend.check_current(connection)
            epoch = connection.execute(select(lease.c.epoch)).scalar_one()
        if self._seen is not None and not self._seen <= epoch < self._seen + _MOST_LEASES:
            raise StoreReplacedError(
                Message("store-replaced-while-open"),
                hint=Message("store-start-again-hint"),
            )
        self._seen = epoch

    @contextmanager
    def sequence(self) -> Iterator[Connection]:
        """Run one transaction against one snapshot; only for the process that holds the lease.

        Raises:
            ChainGuardError: Another process has taken the lease since; nothing was changed.
        """
        if self._epoch is None:
            raise RuntimeError("sealing and sending take the lease")
        with (
            self.translate_errors(),
            self._backend.write_lock(),
            self._commit(self._sequencer) as transaction,
        ):
            connection = transaction.connection
            # A shared lock, so that no process takes the lease before this is committed.
            query = select(lease.c.epoch, lease.c.holder).with_for_update(read=True)
            current = connection.execute(query).one()
            if current.epoch != self._epoch:
                raise ChainGuardError(
                    Message("lease-taken-over", holder=current.holder),
                    hint=Message("lease-taken-over-hint"),
                )
            yield connection

    @contextmanager
    def hold_lease(self) -> Iterator[None]:
        """Hold the lease until the block ends: this process alone may then seal and send."""
        with self._backend.lock():
            with self.write() as connection:
                taken = update(lease).values(epoch=lease.c.epoch + 1, holder=_format_process())
                self._epoch = connection.execute(taken.returning(lease.c.epoch)).scalar_one()
            try:
                yield
            finally:
                self._epoch = None

    @contextmanager
    def wait_for_lease(self, wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lease once it is free; call ``wait`` between two attempts to take it."""
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(self.hold_lease())
                    break
                except (LeaseHeldError, StoreBusyError):
                    wait()
            yield

    @property
    def read_only_note(self) -> Message | None:
        """Return how a store on read-only media is read; None if the store is writable."""
        return self._backend.read_only_note

    @contextmanager
    def pause_sequencing(self) -> Iterator[None]:
        """Hold the lease so that no process seals or sends; do nothing on read-only media."""
        if self.read_only_note is not None:
            yield
            return
        with self.hold_lease():
            yield

    def read_epoch(self) -> int:
        """Return the number of the lease that was taken last; each taking has a higher one."""
        with self.read() as connection:
            return int(connection.execute(select(lease.c.epoch)).scalar_one())

    def is_leased(self) -> bool:
        """Return whether some process holds the lease now."""
        return self._backend.is_locked()

    def purge(self) -> Sequence[Message]:
        """Rewrite the database, so that none of its files contains changed or deleted data.

        Returns one message for each place that this program cannot purge.

        Raises:
            StoreBusyError: Other processes keep reading or writing; run it again.
            StorageError: The disk is full or failing; run it again.
        """
        with self.translate_errors():
            return self._backend.purge(self._writer)

    def close(self) -> None:
        """Release the connections."""
        self._pool.retire()
        self._backend.release()

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Translate the database's errors into the package's own."""
        known: tuple[type[Exception], ...] = (DBAPIError, *self._backend.errors)
        try:
            yield
        except known as error:
            explained = self._backend.explain(error)
            original = getattr(error, "orig", error)
            if explained is None and isinstance(original, self._backend.contradictions):
                explained = ChainGuardError(
                    Message("store-contradicts-itself", reason=original),
                    hint=Message("store-altered-unchanged-hint"),
                )
            if explained is None:
                raise
            if isinstance(explained, StoreAwayError):
                # An open connection may stay read-only after the disk has become writable again.
                self._pool.close()
            raise explained from error


@contextmanager
def lock_location(location: StoreLocation) -> Iterator[None]:
    """Lock a store's location, so that no other process creates a store there or writes to it."""
    backend = _choose_backend(location)
    with backend.lock(), backend.write_lock():
        yield


def is_taken(location: StoreLocation) -> bool:
    """Return whether ``location`` holds a store, or a part of a store."""
    return _choose_backend(location).is_taken()


def create_database(location: StoreLocation) -> Database:
    """Create a new, empty store at ``location``."""
    return create_filled(location, lambda _: None)[0]


def create_filled(
    location: StoreLocation, fill: Callable[[Connection], T], side_file: SideFile | None = None
) -> tuple[Database, T]:
    """Create a new store at ``location``, and call ``fill`` in the same transaction."""
    backend = _choose_backend(location)
    engine = backend.create()
    database = Database(backend, engine, side_file)
    try:
        with database.translate_errors():
            backend.prepare(engine)
        with database.write() as connection:
            backend.claim(connection)
            create_schema(connection)
            epoch = secrets.randbits(_EPOCH_BITS)
            connection.execute(lease.insert().values(id=1, epoch=epoch, holder="nobody"))
            filled = fill(connection)
    except BaseException:
        database.close()
        backend.undo_creation()
        raise
    return database, filled


def open_database(
    location: StoreLocation,
    side_file: SideFile | None = None,
    copies: CopyRule | None = None,
    *,
    only_reads: bool = False,
) -> Database:
    """Open the store at ``location``, which must exist and have this release's schema.

    Evidence that is inserted is also appended to ``side_file``. With ``copies`` a transaction
    returns when that many PostgreSQL servers hold it. ``only_reads`` also opens a store on
    read-only media, and creates no files beside it.

    Raises:
        ConfigError: The store does not exist, or its role may not see the server's standbys.
    """
    backend = _choose_backend(location, only_reads=only_reads)
    engine = backend.open()
    standbys = None if copies is None else _watch_standbys(location, copies)
    database = Database(backend, engine, side_file, standbys)
    try:
        with database.read() as connection:
            version = read_schema_version(connection)
        check_schema(location, version)
        with database.translate_errors():
            backend.prepare(engine)
        if standbys is not None:
            with database.read() as connection:
                standbys.check_rights(connection)
    except BaseException:
        database.close()
        raise
    return database


def check_schema(location: StoreLocation, version: str | None) -> None:
    """Check that a store has this release's schema.

    Raises:
        ConfigError: The database is empty.
    """
    if version is None:
        raise ConfigError(
            Message("store-empty-at", store=str(location)),
            hint=Message("store-empty-hint"),
        )
    if version == SCHEMA_VERSION:
        return
    if is_before_first(version):
        raise UnknownVersionError(
            Message(
                "store-schema-before-first",
                store=str(location),
                actual=version,
                commit=UPGRADING_COMMIT,
            ),
            hint=Message("store-schema-before-first-hint", schema=FIRST_SCHEMA),
        )
    raise UnknownVersionError(
        Message(
            "store-schema-unknown", store=str(location), actual=version, expected=SCHEMA_VERSION
        ),
        hint=Message("store-newer-release-hint"),
    )


def _watch_standbys(location: StoreLocation, rule: CopyRule) -> StandbyCopies:
    if isinstance(location, SqliteFile):
        raise ConfigError(SECOND_SERVER_NEEDED)
    from anchor.store.standby_confirmation import StandbyCopies

    return StandbyCopies(rule)


def _choose_backend(location: StoreLocation, *, only_reads: bool = False) -> Backend:
    if isinstance(location, SqliteFile):
        from anchor.store.sqlite import SqliteBackend

        return SqliteBackend(location.path, only_reads=only_reads)
    from anchor.store.postgresql import PostgresBackend

    return PostgresBackend(location)


def _format_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
