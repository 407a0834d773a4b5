"""The schema version of a store, in a table that Alembic once made."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    inspect,
    select,
)

# Exactly the table that Alembic creates.
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


def read_schema_version(connection: Connection) -> str | None:
    """Return the schema version of a store; None if the database contains no store."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(select(VERSION.c.version_num)).scalar_one_or_none()


def is_before_first(version: str) -> bool:
    """Return whether ``version`` is a schema of before the first, which no release had."""
    return version.isdecimal() and len(version) == len(FIRST_SCHEMA) and version < FIRST_SCHEMA
