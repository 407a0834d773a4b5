"""Creation of this release's tables in an empty database."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Connection, create_mock_engine
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import ExecutableDDLElement

from anchor.store.alembic_runner import VERSION
from anchor.store.schema import metadata


def create_schema(connection: Connection, version: str) -> None:
    """Create all tables and indexes of schema ``version``; the caller commits the transaction."""
    dialect = connection.dialect
    for statement in _list_statements(f"{dialect.name}+{dialect.driver}"):
        connection.exec_driver_sql(statement)
    connection.execute(VERSION.insert().values(version_num=version))


@cache
def _list_statements(driver: str) -> tuple[str, ...]:
    statements: list[str] = []

    def note(statement: ExecutableDDLElement, *_: object, **__: object) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine: MockConnection = create_mock_engine(f"{driver}://", note)
    for tables in (VERSION.metadata, metadata):
        tables.create_all(engine, checkfirst=False)
    return tuple(statements)
