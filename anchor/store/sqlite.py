"""The store in a SQLite file.

SQLite runs with a write-ahead log and ``synchronous=FULL``: an acknowledged commit survives a power
cut (with NORMAL it does not).  Every write transaction begins IMMEDIATE, so that two writers wait
for each other instead of failing half-way.

SQLite from 3.7.0 to 3.51.2 can damage a database when one connection commits and restarts the log
from its beginning just as another begins to copy the log into the database
(https://www.sqlite.org/wal.html#walresetbug).  Without the log, readers would block writers.
Instead, writers under all SQLite versions take turns by a separate lock file, which is held until a
commit and the checkpoint that it starts are done: these never run at the same time as another
commit.  The checkpoint by the last connection to close is exclusive in SQLite itself.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from anchor.base.errors import (
    AnchorError,
    ConfigError,
    LeaseHeldError,
    StorageError,
    StoreAwayError,
    StoreBusyError,
    StoreMissingError,
    StoreReplacedError,
)
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import open_private
from anchor.base.system.file_lock import hold_file, lock_error
from anchor.base.system.os_errors import HINT, explain_os_error
from anchor.store.location import SqliteFile, discard
from anchor.store.sqlite_readonly import ReadOnlySource, choose_source, is_on_read_only_media

# Milliseconds that a writer waits for another process's commit.
_BUSY_TIMEOUT_MS = 10_000
# Bytes of disk space that intake reserves for anchoring.
RESERVE = 64 << 20
# Disk space per byte of a record, in the file and again in the write-ahead log: twice the record if
# it is kept as it is, some 300 bytes if it is made from columns, and up to 190 for each fingerprint
# with its merges (measured with 10^6).
_ROOM_FACTOR = 3
# Page cache of each connection, in KiB.  Intake appends runs and sorted pages of fingerprints: with
# 1.5 million of these, 8 MiB were as fast as 256, and more would only grow with what was written.
_READING_CACHE_KIB = 64 * 1024
_WRITING_CACHE_KIB = 8 * 1024

# SQLite's primary result codes (https://www.sqlite.org/rescode.html) for a file that this process
# cannot open, lock or write at present; no operation was begun.
_AWAY = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOLFS,
    }
)
# The operation failed below SQLite.
_FAILING = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM})


class SqliteBackend:
    """The backend of a store in a SQLite file."""

    reading: ClassVar[Mapping[str, Any]] = {"anchor_read_only": True}
    sequencing: ClassVar[Mapping[str, Any]] = {}
    errors = (sqlite3.Error,)
    contradictions = (sqlite3.IntegrityError,)
    # A writer waits for the others before it begins, and no other writer interferes after that.
    attempts = 1
    has_one_writer = True

    def __init__(self, path: Path, *, only_reads: bool = False) -> None:
        """Prepare the backend; ``only_reads`` also permits a store on read-only media."""
        self._path = path
        self._only_reads = only_reads
        self._source: ReadOnlySource | None = None
        # The status of the file that this process opened.
        self._file: os.stat_result | None = None

    def is_taken(self) -> bool:
        """Return whether the file exists."""
        return self._path.exists()

    def create(self) -> Engine:
        """Create an empty file."""
        try:
            # O_EXCL: two concurrent `init` must not both succeed.  Private: records contain salts.
            descriptor = open_private(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR)
            self._file = os.fstat(descriptor)
            os.close(descriptor)
        except FileExistsError as error:
            raise ConfigError(Message("store-exists", path=self._path)) from error
        except OSError as error:
            failure = Message("store-creation-failed", path=self._path)
            raise explain_os_error(failure, error, is_named=True) from error
        return self._make_engine()

    def claim(self, _connection: Connection) -> None:
        """Do nothing: only one process can have created the file."""

    def undo_creation(self) -> None:
        """Remove the file, which is still empty and would make the next attempt fail."""
        discard(SqliteFile(self._path))

    def open(self) -> Engine:
        """Return an engine for a file that must exist, without reading the file."""
        status = self._stat()
        if status is None or not stat.S_ISREG(status.st_mode):
            raise StoreMissingError(
                Message("store-missing", store=self._path),
                hint=Message("store-missing-hint"),
            )
        self._file = status
        if self._only_reads and is_on_read_only_media(self._path):
            self._source = choose_source(self._path)
        return self._make_engine()

    @property
    def read_only_note(self) -> Message | None:
        """Return how a store on read-only media is read; None if the store is writable."""
        return None if self._source is None else self._source.read_only_note

    def release(self) -> None:
        """Remove the private copy of a store on read-only media."""
        if self._source is not None:
            self._source.release()

    def prepare(self, engine: Engine) -> None:
        """Switch the file to WAL mode permanently; only for a file known to be a store.

        Raises:
            ConfigError: The location does not support WAL mode, without which FULL is not enough.
        """
        if self._source is not None:
            return
        with closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            row = cursor.fetchone()
        if row is None or row[0] != "wal":
            raise ConfigError(
                Message("store-file-system-unsuitable", path=self._path, mode=row and row[0]),
                hint=Message("store-local-disk-hint"),
            )

    def explain(self, error: Exception) -> AnchorError | None:
        """Translate a database error; return None if it is a bug of this program."""
        original = getattr(error, "orig", error)
        reason = str(original)
        # The extended code's last byte is the primary code; the driver's own exceptions have none.
        extended = getattr(original, "sqlite_errorcode", sqlite3.SQLITE_OK)
        code = extended & 0xFF
        if extended == sqlite3.SQLITE_READONLY_DBMOVED:
            return self._replaced()
        if "locked" in reason:
            return StoreBusyError(
                Message("store-locked"),
                hint=Message("process-wait-or-stop-hint"),
            )
        if "not a database" in reason or "malformed" in reason:
            return ConfigError(Message("store-unreadable", reason=reason))
        if code in _AWAY:
            return StoreAwayError(
                Message("store-unusable", store=self._path, reason=reason), hint=HINT
            )
        if code in _FAILING or "disk" in reason:
            return StorageError(
                Message("store-read-or-write-failed", reason=reason),
                hint=Message("store-disk-add-again-hint"),
            )
        if isinstance(original, sqlite3.OperationalError):
            return ConfigError(Message("store-unusable", store=self._path, reason=reason))
        return None

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """Hold the writers' lock file; wait for it as long as SQLite would.

        Waiting processes queue at a second lock file, so that a process that writes again at once
        comes after those that wait.

        Raises:
            StorageError: The store is on read-only media.
        """
        self._check_writable()
        deadline = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
        path = self._path.with_name(f"{self._path.name}-turn.lock")
        queue = path.with_name(f"{self._path.name}-queue.lock")
        with ExitStack() as stack:
            with hold_file(queue, _busy_error(queue), deadline):
                stack.enter_context(hold_file(path, _busy_error(path), deadline))
            self.check_same()
            yield

    def check_room(self, size: int) -> None:
        """Refuse intake while disk space remains for heads, transactions and their anchors."""
        try:
            free = shutil.disk_usage(self._path.parent).free
        except OSError as error:
            raise self._away(error) from error
        if free < RESERVE + _ROOM_FACTOR * size:
            raise StorageError(
                Message(
                    "store-disk-nearly-full",
                    path=self._path,
                    free=free >> 20,
                    reserve=RESERVE >> 20,
                ),
                hint=Message("store-disk-nearly-full-hint"),
            )

    def purge(self, engine: Engine) -> Sequence[Message]:
        """Rewrite the file and empty the write-ahead log, while other writers wait."""
        with self.write_lock(), closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            # Overwriting freed space is not enough: pages that were split keep parts of rows.
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            row = cursor.fetchone()
        if row is None or row[0]:
            raise StoreBusyError(
                Message("store-old-state-being-read", path=self._path),
                hint=Message("process-wait-or-stop-then-rerun-hint"),
            )
        return ()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the lock file beside the store; the system drops the lock when the process ends.

        Raises:
            StorageError: The store is on read-only media.
        """
        self._check_writable()
        path = self._lock_path
        held = LeaseHeldError(
            Message("lease-held", path=path),
            hint=Message("process-wait-done-or-stop-hint"),
        )
        with hold_file(path, held):
            self.check_same()
            yield

    def is_locked(self) -> bool:
        """Return whether some process holds the lock, without creating a file.

        This takes a shared lock for an instant, so that two callers never interfere.
        """
        self.check_same()
        path = self._lock_path
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise lock_error(path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def check_same(self) -> None:
        """Check that the opened file is still the store, which `anchor restore` may replace."""
        if self._file is None:
            return
        status = self._stat()
        if status is None or not os.path.samestat(status, self._file):
            raise self._replaced()

    def check_current(self, _connection: Connection) -> None:
        """Do nothing: a replaced store is another file, which ``check_same`` detects."""

    def write_mark(self, connection: Connection) -> None:
        """Change the user version in the file's header, a page that holds nothing of the log."""
        cursor = connection.connection.cursor()
        version = cursor.execute("PRAGMA user_version").fetchone()[0]
        cursor.execute(f"PRAGMA user_version={1 - version % 2}")

    def _check_writable(self) -> None:
        if self._source is not None:
            raise StorageError(
                Message("store-read-only", path=self._path),
                hint=Message("store-read-only-hint"),
            )

    def _stat(self) -> os.stat_result | None:
        """Return the file's status; None if the file does not exist."""
        try:
            return self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._away(error) from error

    def _away(self, error: OSError) -> StoreAwayError:
        failure = Message("store-use-failed", path=self._path)
        explained = explain_os_error(failure, error, is_named=False)
        return StoreAwayError(explained.message, hint=explained.hint)

    def _replaced(self) -> StoreReplacedError:
        return StoreReplacedError(
            Message("store-file-replaced", path=self._path),
            hint=Message("store-start-again-hint"),
        )

    @property
    def _lock_path(self) -> Path:
        return self._path.with_suffix(".lock")

    def _make_engine(self) -> Engine:
        # Begun here and not by pysqlite, whose DEFERRED fails on the upgrade to a write lock.
        # Not a URL in text: a folder's name may hold ? or %.
        if self._source is None:
            engine = create_engine(URL.create("sqlite", database=str(self._path)))
        else:
            engine = create_engine("sqlite://", creator=self._source.connect, poolclass=QueuePool)
        event.listen(engine, "connect", _configure_connection)
        event.listen(engine, "begin", _begin_transaction)
        return engine


def _busy_error(path: Path) -> StoreBusyError:
    return StoreBusyError(
        Message("store-locked-at", path=path),
        hint=Message("process-wait-or-stop-hint"),
    )


def _configure_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            # Some builds of SQLite fill what is deleted with zeros, which doubles the cost of a
            # merge.  An erasure is completed by VACUUM, whatever the build.
            cursor.execute("PRAGMA secure_delete=FAST")
    except sqlite3.Error:
        # The pool does not have it yet.
        connection.close()
        raise


def _begin_transaction(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("anchor_read_only", False)
    # With the driver's cursor, because SQLAlchemy's overhead is larger than SQLite's own time.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA cache_size=-{_READING_CACHE_KIB if read_only else _WRITING_CACHE_KIB}")
    cursor.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")
