"""Evidence rows: queueing, sealing in order, and lookup by file or digest.

Sealing never changes an evidence row: two narrow tables hold the queue and the places in the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
)

from anchor.errors import UsageError
from anchor.evidence.digests import Digests
from anchor.evidence.record import source_of
from anchor.messages.message import Message
from anchor.store.batches import in_batches
from anchor.store.file_origins import IS_FILE
from anchor.store.schema import evidence, keys, positions, waiting
from anchor.types import Hash32

# SQLite binds at most 32,766 variables; a lookup of this many identities stays far below.
_LOOKUP_CHUNK = 500
# Up to this many rows, counting them each time costs little.
_COUNTED = 10_000
_DIGEST_PREFIX = 16
_IDENTITY_HASH = 16

_IS_PLACED = positions.c.evidence_id == evidence.c.id
_PLACED = positions.join(evidence, _IS_PLACED)
_IS_WAITING = waiting.c.evidence_id == evidence.c.id
_WAITING = waiting.join(evidence, _IS_WAITING)
_ROW = (evidence.c.id, evidence.c.identity, evidence.c.source, evidence.c.record, evidence.c.leaf)


class NewEvidence(NamedTuple):
    """One piece of evidence to accept.  Submissions with the same ``identity`` become one row."""

    identity: bytes
    source: str
    sha256: bytes | None
    sm3: bytes | None
    record: bytes
    leaf: Hash32
    accepted_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """One complete row of evidence; ``record`` and the digests are None if they are lost.

    ``is_stored`` is whether the row came from a store, which knows its tenant.
    """

    identity: bytes
    source: str
    sha256: bytes | None
    sm3: bytes | None
    record: bytes | None
    leaf: Hash32
    accepted_at: str
    is_stored: bool = True


class Batch(Protocol):
    """Evidence to accept; an implementation may build each piece anew on every access."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[NewEvidence]: ...
    def __getitem__(self, place: int, /) -> NewEvidence: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvidence:
    """One accepted row; ``leaf_index`` is None until it is sealed, ``record`` if it is lost."""

    id: int
    identity: bytes
    source: str
    record: bytes | None
    leaf: Hash32
    leaf_index: int | None


def make_identity(digests: Digests, distinction: bytes) -> bytes:
    """Return the identity of evidence with these digests and this ``distinction``."""
    digest = digests.sha256 or digests.sm3 or b""
    return digest[:_DIGEST_PREFIX] + hashlib.sha256(distinction).digest()[:_IDENTITY_HASH]


def select_with_place(*columns: Column[Any] | FromClause) -> Select[Any]:
    """Select columns of evidence, and its ``leaf_index``, which is NULL until it is sealed."""
    placed = evidence.outerjoin(positions, _IS_PLACED)
    return select(*columns, positions.c.leaf_index).select_from(placed)


def known_identities(connection: Connection, identities: Sequence[bytes]) -> set[bytes]:
    """Return those of ``identities`` that are already stored."""
    known: set[bytes] = set()
    for chunk in in_batches(identities, _LOOKUP_CHUNK):
        rows = connection.execute(select(evidence.c.identity).where(evidence.c.identity.in_(chunk)))
        known.update(row.identity for row in rows)
    return known


def count_evidence(connection: Connection) -> tuple[int, int]:
    """Return the number of accepted rows, and how many of them are not sealed yet."""
    total = connection.execute(select(func.count(evidence.c.id))).scalar_one()
    return total, count_waiting(connection)


def count_waiting(connection: Connection) -> int:
    """Return how many rows are not sealed yet."""
    return connection.execute(select(func.count(waiting.c.evidence_id))).scalar_one()


def estimate_waiting(connection: Connection) -> int:
    """Return how many rows are not sealed yet: the exact number if small, else an upper bound.

    The time does not grow with the rows.  The bound may be too high, because row numbers may have
    gaps: PostgreSQL consumes a number for each repeated submission.
    """
    # Two queries: for MIN and MAX in one query, SQLite scans the whole table.
    first = connection.execute(select(func.min(waiting.c.evidence_id))).scalar_one()
    last = last_waiting(connection)
    most = 0 if first is None or last is None else last - first + 1
    return most if most > _COUNTED else count_waiting(connection)


def measure_waiting(connection: Connection) -> int:
    """Return the total size in bytes of the records that are not sealed yet."""
    size = func.coalesce(func.sum(func.length(evidence.c.record)), 0)
    return int(connection.execute(select(size).select_from(_WAITING)).scalar_one())


def count_misplaced(connection: Connection) -> tuple[int, int]:
    """Return how many rows are neither queued nor placed, and how many are both (should be 0)."""
    joined = evidence.outerjoin(waiting, _IS_WAITING).outerjoin(positions, _IS_PLACED)
    waits, placed = waiting.c.evidence_id.is_not(None), positions.c.evidence_id.is_not(None)
    neither, both = (
        connection.execute(select(func.count()).select_from(joined).where(condition)).scalar_one()
        for condition in (~waits & ~placed, waits & placed)
    )
    return neither, both


def count_waiting_before(connection: Connection, moment: str) -> int:
    """Return how many rows that are not sealed yet were accepted before ``moment`` (RFC 3339)."""
    query = select(func.count()).select_from(_WAITING).where(evidence.c.accepted_at < moment)
    return connection.execute(query).scalar_one()


def last_waiting(connection: Connection, most: int | None = None) -> int | None:
    """Return the number of the last row without a place; None if the queue is empty.

    With ``most``, it is the last of the first ``most`` rows.
    """
    first = select(waiting.c.evidence_id).order_by(waiting.c.evidence_id).limit(most).subquery()
    number = waiting.c.evidence_id if most is None else first.c.evidence_id
    last: int | None = connection.execute(select(func.max(number))).scalar_one()
    return last


def load_waiting(connection: Connection, last: int | None = None) -> bytes:
    """Return the leaf hashes of the rows without a place up to number ``last``, back to back.

    The hashes are in order of acceptance.
    """
    query = select(evidence.c.leaf).select_from(_WAITING).where(_waits_up_to(last))
    return _join_leaves(connection, query.order_by(waiting.c.evidence_id))


def load_waiting_records(
    connection: Connection, last: int | None = None
) -> Iterator[tuple[int, Hash32, bytes | None]]:
    """Yield number, leaf and record of each row without a place, in order of acceptance.

    With ``last``, only of the rows up to that number.
    """
    rows = connection.execute(
        select(evidence.c.id, evidence.c.leaf, evidence.c.record)
        .select_from(_WAITING)
        .where(_waits_up_to(last))
        .order_by(waiting.c.evidence_id)
        .execution_options(yield_per=1_000)
    )
    yield from rows  # unpacked by position: access by name takes 50 % longer


def assign_positions(connection: Connection, first_index: int, last: int | None = None) -> int:
    """Assign leaf indices from ``first_index`` on to the queued rows up to number ``last``.

    Returns the number of rows.
    """
    places = func.row_number().over(order_by=waiting.c.evidence_id) - 1 + literal(first_index)
    connection.execute(
        insert(positions).from_select(
            ["leaf_index", "evidence_id"],
            select(places, waiting.c.evidence_id).where(_waits_up_to(last)),
        )
    )
    return connection.execute(delete(waiting).where(_waits_up_to(last))).rowcount


def _waits_up_to(last: int | None) -> ColumnElement[bool]:
    return true() if last is None else waiting.c.evidence_id <= last


def load_leaves(connection: Connection, start: int, end: int) -> bytes:
    """Return the leaf hashes of the log from number ``start`` up to ``end``, back to back."""
    is_within = positions.c.leaf_index.between(start, end - 1)
    query = select(evidence.c.leaf).select_from(_PLACED).where(is_within)
    return _join_leaves(connection, query.order_by(positions.c.leaf_index))


def _join_leaves(connection: Connection, query: Select[bytes]) -> bytes:
    return b"".join(connection.scalars(query).all())  # fetching row by row takes twice as long


def load_sealed_records(
    connection: Connection,
) -> Iterator[tuple[int, Hash32, bytes | None]]:
    """Yield each sealed row's index, leaf and record (None if erased), by index."""
    rows = connection.execute(
        select(positions.c.leaf_index, evidence.c.leaf, evidence.c.record)
        .select_from(_PLACED)
        .order_by(positions.c.leaf_index)
        .execution_options(yield_per=1_000)
    )
    yield from rows


def count_with_record(connection: Connection, end: int) -> int:
    """Return how many of the first ``end`` leaves have a record."""
    query = select(func.count()).select_from(_PLACED).where(_has_record_below(end))
    return connection.execute(query).scalar_one()


def load_with_record(connection: Connection, end: int) -> Iterator[StoredEvidence]:
    """Yield the rows of the first ``end`` leaves that have a record, by leaf index."""
    rows = connection.execute(
        select(*_ROW, positions.c.leaf_index)
        .select_from(_PLACED)
        .where(_has_record_below(end))
        .order_by(positions.c.leaf_index)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        yield StoredEvidence(**row._asdict())


def _has_record_below(end: int) -> ColumnElement[bool]:
    return (positions.c.leaf_index < end) & evidence.c.record.is_not(None)


def find_by_digest(connection: Connection, digests: Digests) -> list[StoredEvidence]:
    """Return every row with one of these digests, oldest first."""
    return list(_load(connection, has_digest(digests)))


def has_digest(digests: Digests) -> ColumnElement[bool]:
    """Return the SQL condition that a row has one of these digests."""
    conditions: list[ColumnElement[bool]] = []
    if digests.sha256 is not None:
        first = digests.sha256[:_DIGEST_PREFIX]
        last = first + b"\xff" * _IDENTITY_HASH
        conditions.append(
            evidence.c.identity.between(first, last) & (evidence.c.sha256 == digests.sha256)
        )
    if digests.sm3 is not None:
        conditions.append(evidence.c.sm3 == digests.sm3)
    return or_(false(), *conditions)


def _is_record_lost(connection: Connection, digests: Digests) -> bool:
    """Return whether a row with the identity of such evidence is left, without its digests."""
    digest = digests.sha256 or digests.sm3
    if digest is None:
        return False
    first = digest[:_DIGEST_PREFIX]
    condition = evidence.c.identity.between(first, first + b"\xff" * _IDENTITY_HASH) & (
        evidence.c.sha256.is_(None) & evidence.c.sm3.is_(None)
    )
    return connection.execute(select(evidence.c.id).where(condition).limit(1)).first() is not None


def find_by_identity(connection: Connection, identity: bytes) -> StoredEvidence | None:
    """Return the row with this identity, or None."""
    return next(_load(connection, evidence.c.identity == identity), None)


def load_by_identity(
    connection: Connection, identities: Sequence[bytes]
) -> dict[bytes, StoredEvidence]:
    """Return the stored rows with these identities, by identity."""
    rows: dict[bytes, StoredEvidence] = {}
    for chunk in in_batches(identities, _LOOKUP_CHUNK):
        for row in _load(connection, evidence.c.identity.in_(chunk)):
            rows[row.identity] = row
    return rows


def find_positions(connection: Connection, identities: Sequence[bytes]) -> dict[bytes, int | None]:
    """Return the leaf index of each stored identity; None if it is not sealed yet."""
    places: dict[bytes, int | None] = {}
    for chunk in in_batches(identities, _LOOKUP_CHUNK):
        rows = connection.execute(
            select_with_place(evidence.c.identity).where(evidence.c.identity.in_(chunk))
        )
        places.update((row.identity, row.leaf_index) for row in rows)
    return places


def find_by_key(connection: Connection, key: bytes) -> StoredEvidence | None:
    """Return the row submitted under the idempotency key with this hash, or None."""
    of_key = select(keys.c.evidence_id).where(keys.c.key == key).scalar_subquery()
    return next(_load(connection, evidence.c.id == of_key), None)


def find_by_file(connection: Connection, path: str) -> list[StoredEvidence]:
    """Return every row that was accepted from the file at this absolute path, oldest first."""
    return list(_load(connection, IS_FILE & (evidence.c.source == path)))


def find_changed(connection: Connection, files: Mapping[str, Digests]) -> dict[str, str]:
    """Return those of ``files``, by absolute path, that were accepted with other digests only.

    The value of each is when it was last accepted.
    """
    changed: dict[str, str] = {}
    same: set[str] = set()
    for chunk in in_batches(list(files), _LOOKUP_CHUNK):
        query = select(
            evidence.c.source, evidence.c.sha256, evidence.c.sm3, evidence.c.accepted_at
        ).where(IS_FILE & evidence.c.source.in_(chunk))
        for row in connection.execute(query.order_by(evidence.c.id)):
            digests = files[row.source]
            if any(
                one is not None and one == other
                for one, other in ((digests.sha256, row.sha256), (digests.sm3, row.sm3))
            ):
                same.add(row.source)
            changed[row.source] = row.accepted_at
    return {source: time for source, time in changed.items() if source not in same}


def load_all(connection: Connection) -> Iterator[StoredEvidence]:
    """Yield every row in order of acceptance."""
    return _load(connection, evidence.c.id > 0, yield_per=1_000)


def load_newest(connection: Connection) -> Iterator[StoredEvidence]:
    """Yield every row, newest first."""
    return _load(connection, evidence.c.id > 0, newest_first=True, yield_per=1_000)


def _load(
    connection: Connection,
    condition: ColumnElement[bool],
    *,
    newest_first: bool = False,
    **options: int,
) -> Iterator[StoredEvidence]:
    rows = connection.execute(
        select_with_place(*_ROW)
        .where(condition)
        .order_by(evidence.c.id.desc() if newest_first else evidence.c.id)
        .execution_options(**options)
    )
    for row in rows:
        yield StoredEvidence(**row._asdict())


def count_lost_waiting(connection: Connection) -> int:
    """Return how many entries of the queue refer to missing evidence; it should be 0."""
    joined = waiting.outerjoin(evidence, _IS_WAITING)
    return connection.execute(
        select(func.count()).select_from(joined).where(evidence.c.id.is_(None))
    ).scalar_one()


def find_evidence(
    connection: Connection, file: Path, digests: Digests, *, or_changed: bool = False
) -> StoredEvidence:
    """Return the evidence accepted from ``file``, or else evidence with the same digests.

    Of several, the first in the log is returned. With ``or_changed``, a file whose digests are not
    stored yields its last recorded evidence, so that a verification can report the difference.

    Raises:
        UsageError: No evidence in this project's log has these digests.
    """
    here = source_of(file)
    stored = find_by_digest(connection, digests)
    if not stored and or_changed:
        stored = find_by_file(connection, here)[-1:]
    if not stored and _is_record_lost(connection, digests):
        raise UsageError(
            Message("evidence-record-lost", path=file), hint=Message("evidence-record-lost-hint")
        )
    if not stored:
        raise UsageError(
            Message("evidence-content-not-in-log", path=file),
            hint=Message("evidence-add-hint"),
        )
    mine = [row for row in stored if row.source == here] or stored
    return next((row for row in mine if row.leaf_index is not None), mine[0])
