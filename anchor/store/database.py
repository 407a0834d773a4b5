"""Opening and creating the store, and its transactions.

Only ``create_database`` creates; opening a store that is not there is an error, never an empty log.
What is particular to one kind of database is in ``sqlite`` and ``postgresql``.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import DBAPIError

from anchor.errors import (
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
from anchor.store.acknowledged_log import SideFile, begin_noting
from anchor.store.alembic_runner import is_outdated, migrate, read_schema_version
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.replication import SECOND_SERVER_NEEDED, Copies, CopyRule
from anchor.store.schema import lease

if TYPE_CHECKING:
    from anchor.store.standby_confirmation import StandbyCopies

MIGRATION_HEAD = "0003"
"""The schema version this release reads and writes."""

T = TypeVar("T")

# Where a store's epochs begin: anywhere, so that no process that had the lease of another store in
# the same place has one of this store's.
_EPOCH_BITS = 62
# More often than this no lease is taken between two looks.
_MOST_LEASES = 1 << 30


class Backend(Protocol):
    """What is particular to one kind of database.

    ``reading`` and ``sequencing`` are SQLAlchemy's execution options for transactions that only
    read, and for those that must see one state from beginning to end.  ``attempts`` is how often a
    transaction may be tried that another one disturbed.
    """

    @property
    def reading(self) -> Mapping[str, Any]: ...

    @property
    def sequencing(self) -> Mapping[str, Any]: ...

    @property
    def attempts(self) -> int: ...

    @property
    def has_one_writer(self) -> bool:
        """Say whether all who write wait for each other."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Return what the driver raises, where SQLAlchemy does not stand between."""

    @property
    def contradictions(self) -> tuple[type[Exception], ...]:
        """Return what of it says that a row would break one of the schema's rules."""

    def is_taken(self) -> bool:
        """Say whether a new store would be in the way of something."""

    def create(self) -> Engine:
        """Return an engine for a new database; ConfigError where there is one already."""

    def claim(self, connection: Connection) -> None:
        """See, in the transaction that makes the tables, that nobody else has made them."""

    def undo_creation(self) -> None:
        """Remove what ``create`` made, for a creation that failed."""

    def open(self) -> Engine:
        """Return an engine for a database that must exist."""

    def prepare(self, engine: Engine) -> None:
        """Set up a database that is known to hold a store; refuse one that would lose commits."""

    def explain(self, error: Exception) -> AnchorError | None:
        """Return what a database error means; None where it is our own bug."""

    def write_lock(self) -> AbstractContextManager[object]:
        """Hold the writers' lock around a transaction; StoreBusyError where others keep it."""

    def check_room(self, size: int) -> None:
        """Raise StorageError where ``size`` bytes would fill the disk that transactions need."""

    def purge(self, engine: Engine) -> Sequence[str]:
        """Rewrite what is on disk without what was changed or deleted; return what was not."""

    @property
    def read_only_note(self) -> str | None:
        """Return how a store on read-only media is read; None where it can be written."""

    def release(self) -> None:
        """Remove what was made to read it."""

    def check_same(self) -> None:
        """Raise StoreReplacedError where another file is in the place of the one opened."""

    def check_current(self, connection: Connection) -> None:
        """Raise StoreReplacedError where the store itself says that another took its place."""

    def write_mark(self, connection: Connection) -> None:
        """Write something that changes nothing of the log, but that a commit waits for."""

    def lock(self) -> AbstractContextManager[None]:
        """Hold the lock of the one process that seals and sends; LeaseHeldError if it is held."""

    def is_locked(self) -> bool:
        """Say whether a process holds it."""


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """What a transaction returned, and on how many servers it is; None where one is enough."""

    result: T
    copies: int | None


@dataclass(slots=True)
class _Transaction:
    connection: Connection
    copies: int | None = None


class Database:
    """An open store: ``write`` for a transaction that changes something, ``read`` otherwise.

    Whoever seals or sends holds the *lease*, and does it in ``sequence``.  Taking the lease counts
    up the store's epoch, and a transaction of an earlier epoch is refused: a process that was
    paused or cut off while another took over can never again change the log or sign.
    """

    def __init__(
        self,
        backend: Backend,
        engine: Engine,
        side_file: SideFile | None = None,
        copies: StandbyCopies | None = None,
    ) -> None:
        """Take over an engine; with ``copies`` each transaction is on further servers, too."""
        self._copies = copies
        self._backend = backend
        self._writer = engine
        self._reader = engine.execution_options(**backend.reading)
        self._sequencer = engine.execution_options(**backend.sequencing)
        self._epoch: int | None = None
        self._side_file = side_file
        # The newest epoch seen in the store that was opened.
        self._seen: int | None = None

    @property
    def has_one_writer(self) -> bool:
        """Say whether all who write wait for a transaction that does."""
        return self._backend.has_one_writer

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run one transaction; on return from the block it is committed and synced to disk.

        Raises:
            CopyMissingError: It is on too few servers.
        """
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
            # Synced before the commit: no row is there whose owner only the store knows.
            if side_file is not None:
                side_file.append(noted)

    def write_with_retry(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, again where other writers got in its way.

        ``work`` must have no effect but on the store.

        Raises:
            StoreBusyError: Other writers got in its way each time.
            CopyMissingError: The commit is on too few servers.
        """
        return self.write_counted(work).result

    def write_counted(self, work: Callable[[Connection], T]) -> Written[T]:
        """Do what ``write_with_retry`` does, and count the servers that hold the commit."""
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
        """Commit what is done in the block, on as many servers as it has to be."""
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
            # A crash here: it is on the first server, and nobody was told so.
            transaction.copies = self._copies.confirm(connection, mark)

    def read_copies(self) -> Copies | None:
        """Return how many servers hold what is committed; None where one is enough.

        Raises:
            CopyMissingError: The store's role may no longer see who follows the server.
        """
        if self._copies is None:
            return None
        from anchor.store.standby_confirmation import wait_for_copies

        with self.translate_errors(), self._writer.connect() as connection:
            return wait_for_copies(connection, self._copies.rule)

    def check_room(self, size: int) -> None:
        """See that records of ``size`` bytes, coming in, leave room for what anchors them.

        Raises:
            StorageError: the disk is nearly full.
        """
        self._backend.check_room(size)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run reads against one consistent snapshot.

        Raises:
            StoreReplacedError: Another store has replaced the one that was opened.
            StoreAwayError: The store cannot be reached.
        """
        with self.translate_errors():
            self._backend.check_same()
            with self._reader.begin() as connection:
                yield connection

    def try_writing(self) -> None:
        """Commit a transaction that changes nothing of the log, and try the side file.

        Raises:
            StoreBusyError: Others write, and do not end.
            StorageError: It could not be committed, or the side file takes nothing.
        """
        with self.write() as connection:
            self._backend.write_mark(connection)
            # In the same turn: where there is one writer, nobody else waits for the file.
            if self._side_file is not None:
                self._side_file.try_appending()

    def check_same(self) -> None:
        """Check that the store is the one that was opened, of whichever kind it is.

        A store's epochs begin anywhere and are counted up: another one's are elsewhere, and those
        of an older copy are lower.

        Raises:
            StoreReplacedError: It is not.
        """
        with self.read() as connection:
            self._backend.check_current(connection)
            epoch = connection.execute(select(lease.c.epoch)).scalar_one()
        if self._seen is not None and not self._seen <= epoch < self._seen + _MOST_LEASES:
            raise StoreReplacedError(
                "the store was replaced by another one while this process had it open",
                hint="start again, which opens the one that is there; nothing was changed",
            )
        self._seen = epoch

    @contextmanager
    def sequence(self) -> Iterator[Connection]:
        """Run a transaction of the process that holds the lease, against one snapshot.

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
            # Locked for sharing, so that nobody takes the lease before this is committed.
            query = select(lease.c.epoch, lease.c.holder).with_for_update(read=True)
            current = connection.execute(query).one()
            if current.epoch != self._epoch:
                raise ChainGuardError(
                    f"another process has taken over this log: {current.holder}",
                    hint="this one was cut off or stopped for a while; nothing was changed",
                )
            yield connection

    @contextmanager
    def hold_lease(self) -> Iterator[None]:
        """Be the one process that seals and sends for this log, to the end of the block.

        Raises:
            LeaseHeldError: another process is.
        """
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
        """Be that process as soon as no other is; ``wait`` passes the time between two tries."""
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(self.hold_lease())
                    break
                except (LeaseHeldError, StoreBusyError):
                    wait()
            yield

    @property
    def read_only_note(self) -> str | None:
        """Return how a store on read-only media is read; None where it can be written."""
        return self._backend.read_only_note

    @contextmanager
    def pause_sequencing(self) -> Iterator[None]:
        """Hold the lease in the block, so that nobody seals or sends; read-only media need none."""
        if self.read_only_note is not None:
            yield
            return
        with self.hold_lease():
            yield

    def is_leased(self) -> bool:
        """Say whether some process holds the lease now."""
        return self._backend.is_locked()

    def purge(self) -> Sequence[str]:
        """Rewrite the database, so that none of its files holds what was changed or deleted.

        Returns what is out of this program's reach, each as a sentence.

        Raises:
            StoreBusyError: Other processes read or write and do not end; run it again.
            StorageError: The disk is full or failing; run it again.
        """
        with self.translate_errors():
            return self._backend.purge(self._writer)

    def close(self) -> None:
        """Release the connections."""
        self._writer.dispose()
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
                    f"the store contradicts itself: {original}",
                    hint="it was damaged or altered: restore it from a backup; nothing was changed",
                )
            if explained is None:
                raise
            if isinstance(explained, StoreAwayError):
                # A connection of that time may stay read-only when the disk is not any more.
                self._writer.dispose()
            raise explained from error


@contextmanager
def lock_location(location: StoreLocation) -> Iterator[None]:
    """Lock the location of a store, so that no other process makes one there or writes to it.

    Raises:
        LeaseHeldError: Another process holds the lease of a store there.
        StoreBusyError: Another process keeps writing to it.
    """
    backend = _choose_backend(location)
    with backend.lock(), backend.write_lock():
        yield


def is_taken(location: StoreLocation) -> bool:
    """Return whether there is a store at ``location``, or a part of one.

    Raises:
        StorageError: The database does not answer.
    """
    return _choose_backend(location).is_taken()


def create_database(location: StoreLocation) -> Database:
    """Create a new, empty store at ``location`` through the migrations.

    Raises:
        ConfigError: Something is at ``location`` already.
    """
    return create_filled(location, lambda _: None)[0]


def create_filled(
    location: StoreLocation, fill: Callable[[Connection], T], side_file: SideFile | None = None
) -> tuple[Database, T]:
    """Create a new store at ``location``, and call ``fill`` in the same transaction.

    Raises:
        ConfigError: Something is at ``location`` already.
    """
    backend = _choose_backend(location)
    engine = backend.create()
    database = Database(backend, engine, side_file)
    try:
        with database.translate_errors():
            backend.prepare(engine)
        with database.write() as connection:
            backend.claim(connection)
            migrate(connection)
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
    read-only media, and writes nothing beside it.

    Raises:
        ConfigError: There is no store, or its role may not see who follows the server.
        UnknownVersionError: The store has another schema version.
        StorageError: The database does not answer.
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


def load_schema_version(location: StoreLocation) -> str | None:
    """Return the schema version of the store at ``location``; None where it is empty.

    Raises:
        ConfigError: There is no database.
        StorageError: The database does not answer.
    """
    backend = _choose_backend(location)
    with closing(Database(backend, backend.open())) as database, database.read() as connection:
        return read_schema_version(connection)


def check_schema(location: StoreLocation, version: str | None) -> None:
    """Check that a store has this release's schema.

    Raises:
        ConfigError: The database is empty.
        UnknownVersionError: The store has another schema.
    """
    if version is None:
        raise ConfigError(
            f"the store {location} is empty",
            hint="`anchor restore` rebuilds one that was lost; only `anchor init` creates one, in "
            "a new folder",
        )
    if version != MIGRATION_HEAD:
        raise UnknownVersionError(
            f"the store {location} has schema {version}; this release works with {MIGRATION_HEAD}",
            hint="`anchor upgrade-store` makes a backup and brings it up to date"
            if is_outdated(version, MIGRATION_HEAD)
            else "a newer release made it: use that one, or a newer one still",
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
