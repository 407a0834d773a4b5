"""Evidence rows: accepted once, sealed in order, found again by file or digest.

An evidence row is never touched by the seal: which ones wait, and where in the log the others are,
stands in two narrow tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, literal, or_, select

from anchor.digest import Digests
from anchor.store.schema import evidence, positions, waiting
from anchor.types import Hash32

# SQLite binds at most 32,766 variables; a lookup of this many identities stays far below.
_LOOKUP_CHUNK = 500

_IS_PLACED = positions.c.evidence_id == evidence.c.id
_PLACED = positions.join(evidence, _IS_PLACED)


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
    if not items:
        return
    last = connection.execute(select(func.coalesce(func.max(evidence.c.id), 0))).scalar_one()
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
    # The transaction has the only writer, so that these are the rows above and no others.
    connection.execute(
        insert(waiting).from_select(
            ["evidence_id"], select(evidence.c.id).where(evidence.c.id > last)
        )
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
    total = connection.execute(select(func.count(evidence.c.id))).scalar_one()
    return total, count_waiting(connection)


def count_waiting(connection: Connection) -> int:
    """Return how many rows are not sealed yet."""
    return connection.execute(select(func.count(waiting.c.evidence_id))).scalar_one()


def count_misplaced(connection: Connection) -> tuple[int, int]:
    """Return how many rows neither wait nor have a place, and how many do both; should be none."""
    joined = evidence.outerjoin(waiting).outerjoin(positions, _IS_PLACED)
    waits, placed = waiting.c.evidence_id.is_not(None), positions.c.evidence_id.is_not(None)
    neither, both = (
        connection.execute(select(func.count()).select_from(joined).where(condition)).scalar_one()
        for condition in (~waits & ~placed, waits & placed)
    )
    return neither, both


def load_waiting(connection: Connection) -> bytes:
    """Return the leaf hashes of the rows without a place, in order of acceptance, back to back."""
    rows = connection.execute(
        select(evidence.c.leaf).select_from(waiting.join(evidence)).order_by(waiting.c.evidence_id)
    )
    return b"".join(rows.scalars().all())  # not row by row, which takes twice as long


def load_waiting_records(connection: Connection) -> Iterator[tuple[Hash32, bytes | None]]:
    """Yield leaf and record of each row without a place, in order of acceptance."""
    rows = connection.execute(
        select(evidence.c.leaf, evidence.c.record)
        .select_from(waiting.join(evidence))
        .order_by(waiting.c.evidence_id)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        yield Hash32(row.leaf), row.record


def place_waiting(connection: Connection, first_index: int) -> int:
    """Give the rows without a place those from ``first_index`` on; return how many they were."""
    places = func.row_number().over(order_by=waiting.c.evidence_id) - 1 + literal(first_index)
    connection.execute(
        insert(positions).from_select(
            ["leaf_index", "evidence_id"], select(places, waiting.c.evidence_id)
        )
    )
    return connection.execute(delete(waiting)).rowcount


def load_leaves(connection: Connection, start: int, end: int) -> bytes:
    """Return the leaf hashes of the log from number ``start`` up to ``end``, back to back."""
    rows = connection.execute(
        select(evidence.c.leaf)
        .select_from(_PLACED)
        .where(positions.c.leaf_index >= start, positions.c.leaf_index < end)
        .order_by(positions.c.leaf_index)
    )
    return b"".join(rows.scalars().all())  # not row by row, which takes twice as long


def load_sealed_records(
    connection: Connection,
) -> Iterator[tuple[int, Hash32, bytes | None]]:
    """Yield each sealed row's index, leaf and record (None where it was erased), by index."""
    rows = connection.execute(
        select(positions.c.leaf_index, evidence.c.leaf, evidence.c.record)
        .select_from(_PLACED)
        .order_by(positions.c.leaf_index)
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
            positions.c.leaf_index,
        )
        .select_from(evidence.outerjoin(positions, _IS_PLACED))
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
