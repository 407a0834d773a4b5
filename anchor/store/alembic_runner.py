"""Runner of the store's migrations on a connection that is already in a transaction."""

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


def migrate(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to ``revision``; the caller commits the transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "anchor.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def read_schema_version(connection: Connection) -> str | None:
    """Return the schema version of a store; None if the database contains no store."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(select(VERSION.c.version_num)).scalar_one_or_none()


def is_outdated(version: str, head: str) -> bool:
    """Return whether ``version`` is an older schema that migrations lead from to ``head``."""
    return version.isdecimal() and len(version) == len(head) and version < head
