"""The database's own checks of its file and its references."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection

from anchor.base.messages.message import Message

# Steps of SQLite's virtual machine between two checks of the time: some milliseconds.
_STEPS = 100_000


def find_damage(connection: Connection) -> Iterator[Message]:
    """Yield one message for each damage in SQLite; other databases check themselves."""
    if connection.dialect.name != "sqlite":
        return
    for (finding,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if finding != "ok":
            yield Message("store-file-damaged", reason=finding)
    # Tables without a foreign key never appear in this result.
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    orphans = Counter((table, parent) for table, _, parent, _ in rows)
    for (table, parent), count in sorted(orphans.items()):
        yield Message("store-rows-orphaned", count=count, table=table, parent=parent)


def find_damage_within(connection: Connection, seconds: float) -> Message | None:
    """Return a message for the first damage to a SQLite file found within ``seconds``.

    None means that no damage was found in that time; only `find_damage` always reads a large file
    completely.
    """
    if connection.dialect.name != "sqlite":
        return None
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    deadline = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        row = driver.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:  # interrupted at the deadline
        return None
    except sqlite3.DatabaseError as error:
        return Message("store-file-damaged", reason=error)
    finally:
        driver.set_progress_handler(None, 0)
    return None if row[0] == "ok" else Message("store-file-damaged", reason=row[0])
