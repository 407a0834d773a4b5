"""Snapshots of SQLite databases, opened read-only; nothing in the file is trusted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.extraction.database_snapshot import QueryResult, fetch_rows
from anchor.extraction.extract_column import DynamicColumn

_PATIENCE = 10.0
# Reading, and no other action: neither ATTACH nor COMMIT nor any PRAGMA.
_ALLOWED = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DESCRIBED = ("encoding", "journal_mode", "user_version", "application_id", "schema_version")


class SqliteSnapshot:
    """A read transaction of a SQLite database."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        with _translated_errors(path):
            self._described = {
                "system": "SQLite",
                "version": sqlite3.sqlite_version,
                "database": str(path.resolve()),
                "isolation": "snapshot",
                "transaction_mode": "read only",
                **{name: self._read(f"PRAGMA {name}") for name in _DESCRIBED},
                "size": str(path.stat().st_size),
            }
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        connection.set_authorizer(_authorise)

    def _read(self, statement: str) -> str:
        return str(self._connection.execute(statement).fetchone()[0])

    def describe(self) -> Mapping[str, str]:
        """Return what SQLite said of the file."""
        return self._described

    def read_clock(self) -> str | None:
        """Return None: the clock is this machine's."""
        return None

    @contextmanager
    def run(self, statement: str) -> Iterator[QueryResult]:
        """Run a statement that returns rows."""
        with _translated_errors(self._path), closing(self._connection.cursor()) as cursor:
            cursor.execute(statement)
            columns = [DynamicColumn(name) for name, *_ in cursor.description or ()]
            yield QueryResult(columns=columns, rows=fetch_rows(cursor.fetchmany))

    def check_end(self) -> None:
        """Do nothing: no statement that ends a transaction is allowed."""


@contextmanager
def open_sqlite(path: Path) -> Iterator[SqliteSnapshot]:
    """Open a database for the block.

    Raises:
        CannotCheckError: Another process keeps it locked.
    """
    if not path.is_file():
        raise UsageError(Message("extract-file-missing", path=path), path=path)
    with _translated_errors(path):
        address = f"file:{quote(str(path.resolve()))}?mode=ro"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_PATIENCE)
    with closing(connection):
        with _translated_errors(path):
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
        yield SqliteSnapshot(connection, path)


def _authorise(action: int, *_details: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


@contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        message = Message("extract-database-refuses", database=path, reason=error)
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
            raise CannotCheckError(message) from error
        raise UsageError(message) from error
