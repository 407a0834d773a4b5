"""What the database itself finds wrong with its file and its references."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection


def find_damage(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each thing amiss; every other database than SQLite sees to it itself."""
    if connection.dialect.name != "sqlite":
        return
    for (finding,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if finding != "ok":
            yield f"the store's file is damaged: {finding}"
    # Tables without a foreign key have no row in here.
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    for table, parent in sorted({(row[0], row[2]) for row in rows}):
        count = sum((row[0], row[2]) == (table, parent) for row in rows)
        yield f"{count} rows of {table} name rows of {parent} that are not there"
