"""Building blocks of the migrations, whose meaning never changes.

Keys without a name are named by the schema's naming convention, which never changes.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create_table(name: str, *parts: sa.Column[Any] | sa.Constraint) -> None:
    """Create a table, which is STRICT in SQLite."""
    op.create_table(name, *parts, sqlite_strict=True)


def create_index_where(
    name: str, table: str, columns: list[str], condition: str, *, unique: bool = False
) -> None:
    """Create a partial index over the rows that meet ``condition``."""
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
