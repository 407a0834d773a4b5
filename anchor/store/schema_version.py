"""The schema of a store: its version, and the creation of its tables in an empty database."""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_mock_engine,
    inspect,
    select,
)
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import ExecutableDDLElement

from anchor.store.schema import metadata

# Named as in the stores of before the first release, which are used as they are.
VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""The table of the schema version."""

FIRST_SCHEMA = "0018"
"""The schema of the first release: the numbers before it were never released.

It keeps its number, because stores of before the release have it, too, and are used as they are.
"""
SCHEMA_VERSION = FIRST_SCHEMA
"""The schema version this release reads and writes."""


def read_schema_version(connection: Connection) -> str | None:
    """Return the schema version of a store; None if the database contains no store."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(select(VERSION.c.version_num)).scalar_one_or_none()


def is_before_first(version: str) -> bool:
    """Return whether ``version`` is a schema of before the first, which no release had."""
    return version.isdecimal() and len(version) == len(FIRST_SCHEMA) and version < FIRST_SCHEMA


def create_schema(connection: Connection) -> None:
    """Create this release's tables and indexes; the caller commits the transaction."""
    dialect = connection.dialect
    for statement in _list_statements(f"{dialect.name}+{dialect.driver}"):
        connection.exec_driver_sql(statement)
    connection.execute(VERSION.insert().values(version_num=SCHEMA_VERSION))


@cache
def _list_statements(driver: str) -> tuple[str, ...]:
    statements: list[str] = []

    def note(statement: ExecutableDDLElement, *_: object, **__: object) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine: MockConnection = create_mock_engine(f"{driver}://", note)
    for tables in (VERSION.metadata, metadata):
        tables.create_all(engine, checkfirst=False)
    return tuple(statements)
