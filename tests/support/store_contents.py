"""The evidence in a store, for tests that read or damage it without the product's own queries.

The only module of the tests that knows the tables of evidence and of keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias, TypedDict, Unpack

from sqlalchemy import URL, Connection, NullPool, create_engine, func, make_url, select
from support.projects import Site

from anchor.base.types import Hash32
from anchor.store import fingerprints
from anchor.store.columns import Run, pack_run
from anchor.store.fingerprint_pages import About
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.runs import find_size
from anchor.store.schema import heads, keys, runs

Place: TypeAlias = Site | StoreLocation | Connection
"""A project, a store, or a connection to one, whose transaction is then the caller's."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of evidence as the store holds it."""

    index: int
    """Its number in order of acceptance, from 0."""
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
    with _connect(place) as connection:
        size = _find_size(connection)
        return [
            Piece(
                index,
                index if index < size else None,
                row.identity,
                row.source,
                row.sha256,
                row.sm3,
                row.record,
                row.leaf,
                row.accepted_at,
            )
            for run in _load_runs(connection)
            for index, row in enumerate(run.rows(), start=run.first)
        ]


def count_pieces(place: Place) -> int:
    """Return the number of pieces of evidence, sealed or not."""
    with _connect(place) as connection:
        return int(connection.execute(select(func.sum(runs.c.pieces))).scalar() or 0)


def count_waiting(place: Place) -> int:
    """Return the number of pieces that are not sealed."""
    with _connect(place) as connection:
        return count_pieces(connection) - _find_size(connection)


def load_keys(place: Place) -> list[tuple[bytes, bytes]]:
    """Return each idempotency key with the identity of its evidence, sorted."""
    with _connect(place) as connection:
        identities = {piece.index: piece.identity for piece in load_pieces(connection)}
        rows = connection.execute(select(keys.c.key, keys.c.piece))
        return sorted((key, identities[piece]) for key, piece in rows)


def alter_piece(place: Place, index: int, **values: Unpack[Alteration]) -> None:
    """Overwrite values of the piece with this index; raise IndexError if there is none."""
    with _connect(place) as connection:
        run = _find_run(connection, index)
        at = index - run.first
        altered = replace(run.row(at), **values)
        _delete_run(connection, run)
        _insert_run(connection, run.replace({at: altered}))


def lose_piece(place: Place, index: int) -> None:
    """Delete a piece, so that its index is missing; raise IndexError if there is none."""
    with _connect(place) as connection:
        run = _find_run(connection, index)
        rows = run.rows()
        at = index - run.first
        _delete_run(connection, run)
        for first, kept in ((run.first, rows[:at]), (index + 1, rows[at + 1 :])):
            if kept:
                _insert_run(connection, pack_run(first, kept))


def _find_size(connection: Connection) -> int:
    return int(connection.execute(select(func.max(heads.c.size))).scalar() or 0)


def _load_runs(connection: Connection) -> list[Run]:
    rows = connection.execute(select(runs).order_by(runs.c.first))
    return [Run(**row._asdict()) for row in rows]


def _find_run(connection: Connection, index: int) -> Run:
    for run in _load_runs(connection):
        if run.first <= index < run.end:
            return run
    raise IndexError(index)


def _delete_run(connection: Connection, run: Run) -> None:
    connection.execute(runs.delete().where(runs.c.first == run.first))


def _insert_run(connection: Connection, run: Run) -> None:
    connection.execute(
        runs.insert().values({column.name: getattr(run, column.name) for column in runs.c})
    )


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


def find_positions(connection: Connection, identities: Sequence[bytes]) -> dict[bytes, int | None]:
    """Return the leaf index of each stored identity, by the product's search; None unsealed."""
    by_identity = fingerprints.find(connection, About.IDENTITY, identities)
    size = find_size(connection)
    return {
        identity: index if index < size else None for identity, (index, *_) in by_identity.items()
    }
