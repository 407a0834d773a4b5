"""Snapshots of PostgreSQL databases: one read-only transaction, REPEATABLE READ.

Every value is read as the server's own text, under settings that make that text exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader

from anchor.base.errors import AnchorError, CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.extraction.database_snapshot import QueryResult, fetch_rows
from anchor.extraction.extract_column import TypedColumn
from anchor.store.location import PostgresDatabase
from anchor.store.postgresql import KEEPALIVES

# Text that does not depend on the server's settings, and from which each value can be restored.
_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
_TIME = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
_IDENTITY = {
    "version": "current_setting('server_version')",
    "build": "version()",
    "database": "current_database()",
    "user": "current_user",
    "session_user": "session_user",
    "address": "host(inet_server_addr())",
    "port": "inet_server_port()",
    "encoding": "current_setting('server_encoding')",
    "search_path": "current_setting('search_path')",
    "row_security": "current_setting('row_security')",
    "is_standby": "pg_is_in_recovery()",
    "started_at": _TIME.format("pg_postmaster_start_time()"),
    "isolation": "current_setting('transaction_isolation')",
    "read_only": "current_setting('transaction_read_only')",
    "snapshot": "txid_current_snapshot()",
    "tls": "(SELECT version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid())",
}
_ASK_IDENTITY = "SELECT " + ", ".join(f"({value})::text" for value in _IDENTITY.values())
_ASK_SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
_ASK_SNAPSHOT = "SELECT txid_current_snapshot()::text"
_ASK_CLOCK = f"SELECT {_TIME.format('clock_timestamp()')}"


class PostgresSnapshot:
    """A transaction of a PostgreSQL database."""

    def __init__(self, connection: psycopg.Connection[Any], database: PostgresDatabase) -> None:
        self._connection = connection
        self._database = database
        with self._translated_errors():
            for name, value in _SETTINGS.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            values = connection.execute(_ASK_IDENTITY.encode()).fetchone()
            assert values is not None, "it returns one row"
            identity = dict(zip(_IDENTITY, values, strict=True))
            identity["system_identifier"] = self._read_identifier()
        self._described = {
            "system": "PostgreSQL",
            "server": f"{connection.info.host}:{connection.info.port}",
            "transaction_mode": "read only" if identity.pop("read_only") == "on" else "read write",
            **{name: value for name, value in identity.items() if value is not None},
        }

    def _read_identifier(self) -> str | None:
        try:
            with self._connection.transaction():
                row = self._connection.execute(_ASK_SYSTEM).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            return None
        return None if row is None else str(row[0])

    def describe(self) -> Mapping[str, str]:
        """Return what the server said of itself and of the transaction."""
        return self._described

    def read_clock(self) -> str | None:
        """Return the time of the server's clock."""
        return self._ask(_ASK_CLOCK)

    @contextmanager
    def run(self, statement: str) -> Iterator[QueryResult]:
        """Run a statement that returns rows, by a cursor on the server."""
        with (
            self._translated_errors(),
            self._connection.cursor("anchor_extract", scrollable=False) as cursor,
        ):
            cursor.execute(statement.encode())
            columns = [
                TypedColumn(column.name, self._spell_type(column))
                for column in cursor.description or ()
            ]
            yield QueryResult(columns=columns, rows=fetch_rows(cursor.fetchmany))

    def check_end(self) -> None:
        """Check that no statement ended the transaction."""
        if self._ask(_ASK_SNAPSHOT) != self._described["snapshot"]:
            raise UsageError(Message("extract-snapshot-lost", database=str(self._database)))

    def _ask(self, statement: str) -> str:
        with self._translated_errors():
            row = self._connection.execute(statement.encode()).fetchone()
        assert row is not None, "it returns one row"
        return str(row[0])

    def _spell_type(self, column: psycopg.Column) -> str:
        """Return a column's type as ``format_type`` spells it, with precision and scale."""
        if column.precision is not None and column.scale is not None:
            return f"numeric({column.precision},{column.scale})"
        parameters = (column.type_code,)
        row = self._connection.execute("SELECT format_type(%s, NULL)", parameters).fetchone()
        assert row is not None, "it returns one row"
        return str(row[0])

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, UnicodeDecodeError) as error:
            raise _explain(self._database, error) from error


@contextmanager
def open_postgresql(database: PostgresDatabase) -> Iterator[PostgresSnapshot]:
    """Connect to a server for the block, and begin the transaction."""
    try:
        connection = psycopg.connect(database.url, client_encoding="utf8", **KEEPALIVES)
    except psycopg.Error as error:
        raise _explain(database, error) from None
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        for kind in list(connection.adapters.types):
            for number in (kind.oid, kind.array_oid):
                if number:
                    connection.adapters.register_loader(number, TextLoader)
        yield PostgresSnapshot(connection, database)
        connection.rollback()
    finally:
        connection.close()


def _explain(database: PostgresDatabase, error: Exception) -> AnchorError:
    """Return the error for one of the driver's, without any password."""
    reason = str(error).strip().partition("\n")[0]
    try:
        parts = conninfo_to_dict(database.url)
    except psycopg.Error:
        parts = {}
        reason = str(Message("extract-url-malformed"))
    for name, value in parts.items():
        if "password" in name and value:
            reason = reason.replace(str(value), "(hidden)")
    message = Message("extract-database-refuses", database=str(database), reason=reason)
    is_away = isinstance(error, psycopg.OperationalError)
    return CannotCheckError(message) if is_away and parts else UsageError(message)
