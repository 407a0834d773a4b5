"""What the database itself finds wrong with its file and its references."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection

# Steps of SQLite's own machine between two looks at the clock: some milliseconds.
_STEPS = 100_000


def find_damage(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each thing amiss; every other database than SQLite sees to it itself."""
    if connection.dialect.name != "sqlite":
        return
    for (finding,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if finding != "ok":
            yield f"the store's file is damaged: {finding}"
    # Tables without a foreign key have no row in here.
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    orphans = Counter((table, parent) for table, _, parent, _ in rows)
    for (table, parent), count in sorted(orphans.items()):
        yield f"{count} rows of {table} name rows of {parent} that are not there"


def find_damage_within(connection: Connection, seconds: float) -> str | None:
    """Return a sentence for the first damage to a SQLite file that is met in so many seconds.

    None says that none was met, in a larger file not that there is none: `find_damage` reads all.
    """
    if connection.dialect.name != "sqlite":
        return None
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    deadline = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        row = driver.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:  # interrupted
        return None
    except sqlite3.DatabaseError as error:
        return f"the store's file is damaged: {error}"
    finally:
        driver.set_progress_handler(None, 0)
    return None if row[0] == "ok" else f"the store's file is damaged: {row[0]}"
