"""Building a store aside and putting it in place when complete, for a restore or a successor.

An interrupted build leaves nothing that could be mistaken for a store or that hinders the next
attempt.  A SQLite file is built beside its final location and renamed when it is complete.  In
PostgreSQL, the tables and all their rows become visible with one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from anchor.store.database import create_database, create_filled
from anchor.store.location import (
    SqliteFile,
    StoreLocation,
    discard,
    install_store,
    staging_location,
)

T = TypeVar("T")


class Writable(Protocol):
    """A store that rows are written to; the rows are valid once the store is in place."""

    def write(self) -> AbstractContextManager[Connection]:
        """Run one transaction for rows that belong together."""


def build_database(location: StoreLocation, fill: Callable[[Writable], T]) -> tuple[T, Path | None]:
    """Create a store filled by ``fill``; return the result, and where the old store was moved.

    Raises:
        ConfigError: ``location`` is in PostgreSQL and holds a store already.
        StorageError: The new store could not be finished; nothing was replaced.
    """
    if isinstance(location, SqliteFile):
        return _build_beside(location, fill)
    database, filled = create_filled(location, lambda connection: fill(_Part(connection)))
    database.close()
    return filled, None


def _build_beside(location: SqliteFile, fill: Callable[[Writable], T]) -> tuple[T, Path | None]:
    building = staging_location(location, ".building")
    discard(building)
    try:
        with closing(create_database(building)) as database:
            filled = fill(database)
        return filled, install_store(building, location)
    except BaseException:
        discard(building)
        raise


class _Part:
    """A transaction that the caller begins and ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        yield self._connection
