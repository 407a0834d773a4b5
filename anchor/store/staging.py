"""Making a store that is filled before it is one: rebuilt, or the successor of another.

Whatever ends while it is filled leaves nothing that passes for a store, or that is in the way of
the next try.  A file is made beside its place, and put there when it is whole.  In PostgreSQL the
tables and all that is in them come with one commit.
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
    """What rows are written to; they count when the store does."""

    def write(self) -> AbstractContextManager[Connection]:
        """Stand around rows that belong together."""


def build_database(location: StoreLocation, fill: Callable[[Writable], T]) -> tuple[T, Path | None]:
    """Create a store at ``location`` by ``fill``; return its result, and where the old one went.

    Raises:
        ConfigError: There is a store in PostgreSQL already.
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
    """A transaction that others began, and end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        yield self._connection
