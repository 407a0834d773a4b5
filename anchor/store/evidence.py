"""Evidence rows: accepted once, sealed in order, found again by file or digest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from anchor.digest import Digests
from anchor.store.schema import evidence
from anchor.types import Hash32

# SQLite binds at most 32,766 variables; a lookup of this many identities stays far below.
_LOOKUP_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvidence:
    """One piece of evidence to accept.  ``identity`` makes a repeated submission the same row."""

    identity: bytes
    source: str
    digests: Digests
    record: bytes
    leaf: Hash32
    accepted_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvidence:
    """One accepted row; ``leaf_index`` is None until it is sealed."""

    id: int
    source: str
    record: bytes
    leaf: Hash32
    leaf_index: int | None


def insert_evidence(connection: Connection, items: Sequence[NewEvidence]) -> None:
    """Insert rows whose identities are new (``known_identities`` says which are)."""
    if items:
        connection.execute(
            insert(evidence),
            [
                {
                    "identity": item.identity,
                    "source": item.source,
                    "sha256": item.digests.sha256,
                    "sm3": item.digests.sm3,
                    "record": item.record,
                    "leaf": item.leaf,
                    "accepted_at": item.accepted_at,
                }
                for item in items
            ],
        )


def known_identities(connection: Connection, identities: Sequence[bytes]) -> set[bytes]:
    """Return those of ``identities`` that are stored already."""
    known: set[bytes] = set()
    for start in range(0, len(identities), _LOOKUP_CHUNK):
        chunk = identities[start : start + _LOOKUP_CHUNK]
        rows = connection.execute(select(evidence.c.identity).where(evidence.c.identity.in_(chunk)))
        known.update(row.identity for row in rows)
    return known


def count_evidence(connection: Connection) -> tuple[int, int]:
    """Return how many rows are accepted in all, and how many of them are not sealed yet."""
    row = connection.execute(
        select(func.count(evidence.c.id), func.count(evidence.c.leaf_index))
    ).one()
    return row[0], row[0] - row[1]


def load_unsealed(connection: Connection) -> list[tuple[int, Hash32]]:
    """Return the id and leaf of every row without an index, in order of acceptance."""
    rows = connection.execute(
        select(evidence.c.id, evidence.c.leaf)
        .where(evidence.c.leaf_index.is_(None))
        .order_by(evidence.c.id)
    )
    return [(row.id, Hash32(row.leaf)) for row in rows]


def assign_indices(connection: Connection, first_index: int, ids: Sequence[int]) -> None:
    """Give ``ids`` the indices from ``first_index`` on, in order; only ever once."""
    result = connection.execute(
        update(evidence)
        .where(evidence.c.leaf_index.is_(None), evidence.c.id == bindparam("row"))
        .values(leaf_index=bindparam("index")),
        [{"row": row_id, "index": first_index + offset} for offset, row_id in enumerate(ids)],
    )
    assert result.rowcount == len(ids), "a sealed leaf must never get another index"


def load_leaves(connection: Connection, start: int, end: int) -> bytes:
    """Return the leaf hashes of the log from number ``start`` up to ``end``, back to back."""
    rows = connection.execute(
        select(evidence.c.leaf)
        .where(evidence.c.leaf_index >= start, evidence.c.leaf_index < end)
        .order_by(evidence.c.leaf_index)
    )
    return b"".join(rows.scalars())


def load_sealed_records(
    connection: Connection,
) -> Iterator[tuple[int, Hash32, bytes | None]]:
    """Yield each sealed row's index, leaf and record (None where it was erased), by index."""
    rows = connection.execute(
        select(evidence.c.leaf_index, evidence.c.leaf, evidence.c.record)
        .where(evidence.c.leaf_index.is_not(None))
        .order_by(evidence.c.leaf_index)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        yield row.leaf_index, Hash32(row.leaf), row.record


def find_by_digest(connection: Connection, digests: Digests) -> list[StoredEvidence]:
    """Return every row with one of these digests, oldest first."""
    conditions = [
        column == value
        for column, value in (
            (evidence.c.sha256, digests.sha256),
            (evidence.c.sm3, digests.sm3),
        )
        if value is not None
    ]
    return list(_load(connection, or_(*conditions))) if conditions else []


def find_by_source(connection: Connection, source: str) -> list[StoredEvidence]:
    """Return every row that was accepted from ``source``, oldest first."""
    return list(_load(connection, evidence.c.source == source))


def load_all(connection: Connection) -> Iterator[StoredEvidence]:
    """Yield every row in order of acceptance."""
    return _load(connection, evidence.c.id > 0)


def _load(connection: Connection, condition: object) -> Iterator[StoredEvidence]:
    rows = connection.execute(
        select(
            evidence.c.id,
            evidence.c.source,
            evidence.c.record,
            evidence.c.leaf,
            evidence.c.leaf_index,
        )
        .where(condition)  # type: ignore[arg-type]
        .order_by(evidence.c.id)
    )
    for row in rows:
        yield StoredEvidence(
            id=row.id,
            source=row.source,
            record=row.record,
            leaf=Hash32(row.leaf),
            leaf_index=row.leaf_index,
        )
