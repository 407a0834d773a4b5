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
from anchor.store.location import SqliteFile, StoreLocation, beside, discard, put_in_place

T = TypeVar("T")


class Writable(Protocol):
    """What rows are written to; they count when the store does."""

    def write(self) -> AbstractContextManager[Connection]:
        """Stand around rows that belong together."""


def build_database(place: StoreLocation, fill: Callable[[Writable], T]) -> tuple[T, Path | None]:
    """Let ``fill`` make a store at ``place``; return what it does, and where an old one went.

    Raises:
        ConfigError: there is a store in PostgreSQL already.
        StorageError: the new one could not be finished; nothing was replaced.
    """
    if isinstance(place, SqliteFile):
        return _build_beside(place, fill)
    database, filled = create_filled(place, lambda connection: fill(_Part(connection)))
    database.close()
    return filled, None


def _build_beside(place: SqliteFile, fill: Callable[[Writable], T]) -> tuple[T, Path | None]:
    building = beside(place, ".building")
    discard(building)
    try:
        with closing(create_database(building)) as database:
            filled = fill(database)
        return filled, put_in_place(building, place)
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
