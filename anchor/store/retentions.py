"""Retention dates of evidence: those that records state, and those that owners set.

The dates of records are entered by following the log.  Rows are found by identity, which a restored
store shares; erasing a piece removes its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from anchor.evidence.retention import MARK, Beater, read_retention
from anchor.store import fingerprints
from anchor.store.batches import in_batches
from anchor.store.database import Database
from anchor.store.file_origins import tenant_of
from anchor.store.fingerprint_pages import About
from anchor.store.log_following import SLICE, follow_log
from anchor.store.runs import load_runs
from anchor.store.schema import retention_index, retentions

RetentionSource: TypeAlias = Literal["record", "owner"]

_BATCH = 1_000
AT_ONCE = ""
"""When to look at a date that is new or was changed: before any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The retention date of a piece of evidence, ``until``, and what was done about it.

    It is the later one of the date that the record states and the one that an owner set.
    """

    identity: bytes
    tenant: str | None
    record_until: str | None
    owner_until: str | None
    until: str
    told: int = 0
    told_at: str | None = None
    next_at: str = AT_ONCE
    beaten_by: Beater | None = None

    @property
    def source(self) -> RetentionSource:
        """Return whose date it is."""
        return "owner" if self.until == self.owner_until else "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionCounts:
    """How many dates there are, how many have passed, and how many of these something beats."""

    dated: int
    passed: int
    beaten: int


def enter_retentions(database: Database, report: Callable[[int], None] = lambda _: None) -> int:
    """Enter the dates of all records that are accepted by now; return how many were searched."""
    return follow_log(database, retention_index, _enter_slice, report)


def _enter_slice(connection: Connection, start: int, end: int) -> int:
    end = min(end, start + SLICE)
    rows: dict[bytes, Retention] = {}
    # Only records with further members are kept as they are; damage is what `anchor audit` reports.
    for run in load_runs(connection, start, end, skipped=lambda _: None):
        if run.records is None:
            continue
        for at in range(max(start - run.first, 0), min(end, run.end) - run.first):
            record = run.kept_record(at)
            until = None if record is None or MARK not in record else read_retention(record)
            if until is not None:
                identity = run.identity(at)
                rows[identity] = Retention(
                    identity=identity,
                    tenant=tenant_of(run.source(at)),
                    record_until=until,
                    owner_until=None,
                    until=until,
                )
    known = load_retentions(connection, rows)
    new = [asdict(row) for identity, row in rows.items() if identity not in known]
    if new:
        connection.execute(insert(retentions), new)
    return end


def find_retention(connection: Connection, identity: bytes) -> Retention | None:
    """Return the date of a piece, or None if it has none, or is not entered yet."""
    return load_retentions(connection, [identity]).get(identity)


def load_retentions(connection: Connection, identities: Iterable[bytes]) -> dict[bytes, Retention]:
    """Return the dates of pieces by identity."""
    rows: dict[bytes, Retention] = {}
    for batch in in_batches(identities, _BATCH):
        query = _SELECT.where(retentions.c.identity.in_(batch))
        rows |= {row.identity: row for row in _load(connection, query)}
    return rows


def load_due(connection: Connection, at: str, limit: int) -> list[Retention]:
    """Return up to ``limit`` dates that are to be looked at, those that wait longest first."""
    query = _SELECT.where(retentions.c.next_at <= at)
    return _load(
        connection, query.order_by(retentions.c.next_at, retentions.c.identity).limit(limit)
    )


def count_retentions(connection: Connection, at: str) -> RetentionCounts:
    """Return how many dates there are, and have passed at ``at``."""
    passed = retentions.c.until <= at
    query = select(
        func.count(),
        func.count().filter(passed),
        func.count().filter(passed & retentions.c.beaten_by.is_not(None)),
    ).select_from(retentions)
    dated, over, beaten = connection.execute(query).one()
    return RetentionCounts(dated=dated, passed=over, beaten=beaten)


def put_retention(connection: Connection, row: Retention) -> None:
    """Store a date that was set or changed; whatever was done about the former one is forgotten."""
    forget_retentions(connection, [row.identity])
    connection.execute(insert(retentions).values(**asdict(row)))


def note_progress(
    connection: Connection, identity: bytes, *, next_at: str, **changed: str | int | None
) -> None:
    """Store what was done about a date, and when to look at it again."""
    connection.execute(
        update(retentions)
        .where(retentions.c.identity == identity)
        .values({"next_at": next_at, **changed})
    )


def forget_retentions(connection: Connection, identities: Sequence[bytes]) -> None:
    """Remove the dates of pieces."""
    for batch in in_batches(identities, _BATCH):
        connection.execute(delete(retentions).where(retentions.c.identity.in_(batch)))


def settle_retentions(connection: Connection) -> None:
    """Remove the dates of evidence that this store, which was restored, does not hold."""
    rows = connection.execute(select(retentions.c.identity)).scalars().all()
    for batch in in_batches(rows, _BATCH):
        held: Mapping[bytes, object] = fingerprints.find(connection, About.IDENTITY, batch)
        forget_retentions(connection, [identity for identity in batch if identity not in held])


_SELECT: Select[Any] = select(*(retentions.c[field.name] for field in fields(Retention)))


def _load(connection: Connection, query: Select[Any]) -> list[Retention]:
    rows = connection.execute(query)
    return [Retention(**row._asdict()) for row in rows]
