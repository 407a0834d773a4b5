"""The evidence in a store, for tests that read or damage it without the product's own readers.

The only module of the tests that knows the tables of evidence, its queue, places and keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypedDict, Unpack

from sqlalchemy import (
    URL,
    Connection,
    NullPool,
    Table,
    create_engine,
    func,
    make_url,
    select,
    text,
)
from support.projects import Site

from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.schema import evidence, keys, positions, waiting
from anchor.types import Hash32

Place: TypeAlias = Site | StoreLocation | Connection
"""A project, a store, or a connection to one, whose transaction is then the caller's."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of evidence as the store holds it."""

    index: int
    """Its number in order of acceptance, from 0, among the pieces in the store."""
    leaf_index: int | None
    """None until it is sealed."""
    identity: bytes
    source: str
    sha256: bytes | None
    sm3: bytes | None
    record: bytes | None
    """None if it was lost or erased."""
    leaf: Hash32
    accepted_at: str


class Alteration(TypedDict, total=False):
    """New values of a piece; ``record=None`` loses the record."""

    identity: bytes
    source: str
    record: bytes | None
    leaf: bytes


def load_pieces(place: Place) -> list[Piece]:
    """Return all evidence in order of acceptance."""
    query = (
        select(
            positions.c.leaf_index,
            evidence.c.identity,
            evidence.c.source,
            evidence.c.sha256,
            evidence.c.sm3,
            evidence.c.record,
            evidence.c.leaf,
            evidence.c.accepted_at,
        )
        .select_from(evidence.outerjoin(positions, positions.c.evidence_id == evidence.c.id))
        .order_by(evidence.c.id)
    )
    with _connect(place) as connection:
        return [Piece(index, *row) for index, row in enumerate(connection.execute(query))]


def count_pieces(place: Place) -> int:
    """Return the number of pieces of evidence, sealed or not."""
    return _count(place, evidence)


def count_waiting(place: Place) -> int:
    """Return the number of pieces that are not sealed."""
    return _count(place, waiting)


def load_keys(place: Place) -> list[tuple[bytes, bytes]]:
    """Return each idempotency key with the identity of its evidence, sorted."""
    query = select(keys.c.key, evidence.c.identity).join_from(keys, evidence)
    with _connect(place) as connection:
        return sorted((key, identity) for key, identity in connection.execute(query))


def alter_piece(place: Place, index: int, **values: Unpack[Alteration]) -> None:
    """Overwrite values of the piece with this index; raise IndexError if there is none."""
    with _connect(place) as connection:
        row = evidence.c.id == _find_row(connection, index)
        connection.execute(evidence.update().where(row).values(**values))


def lose_piece(place: Place, index: int) -> None:
    """Delete a piece, but not its place; raise IndexError if there is none.

    The pieces after it then have the index before theirs.
    """
    with _connect(place) as connection:
        if connection.dialect.name == "postgresql":
            # Its idempotency key may stay behind.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        row = evidence.c.id == _find_row(connection, index)
        connection.execute(evidence.delete().where(row))


def lose_place(place: Place, leaf_index: int) -> None:
    """Delete the place of a sealed piece; the piece stays, sealed nowhere and not waiting."""
    with _connect(place) as connection:
        row = positions.c.leaf_index == leaf_index
        deleted = connection.execute(positions.delete().where(row))
        assert deleted.rowcount == 1


def _count(place: Place, table: Table) -> int:
    with _connect(place) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _find_row(connection: Connection, index: int) -> int:
    rows = select(evidence.c.id).order_by(evidence.c.id).offset(index).limit(1)
    found = connection.execute(rows).scalar_one_or_none()
    if found is None:
        raise IndexError(index)
    return int(found)


@contextmanager
def _connect(place: Place) -> Iterator[Connection]:
    """Open a transaction in the store, unless ``place`` is one already."""
    if isinstance(place, Connection):
        yield place
        return
    location = place.locate_store() if isinstance(place, Site) else place
    if isinstance(location, SqliteFile):
        url = URL.create("sqlite", database=str(location.path))
    else:
        url = make_url(location.url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
