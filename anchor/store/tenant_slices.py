"""Where each tenant's evidence lies in the log, so that its newest pieces are found at once.

The log mixes tenants.  A *slice* is 1,024 neighbouring indices, from a multiple of 1,024 on; the
table has a row for each slice that holds a piece of a tenant.  A page of a tenant's evidence reads
at most as many slices as it has pieces, however long the log is.

Rows are written with the evidence: by whatever appends pieces, and by whatever replaces them.
Erased evidence has no tenant any more, so an erasure that leaves nothing of a tenant in a slice
takes the row away, unless pieces can still be appended there.

A process remembers the rows of the newest slices that it has seen committed, and does not write
them again: rows of a slice to which pieces can be appended stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Pool, delete, select, text

from anchor.store.columns import MOST_PIECES, Run
from anchor.store.evidence_kinds import ERASED, Kind, parse_kinds
from anchor.store.file_origins import tenant_of
from anchor.store.runs import find_end, load_runs
from anchor.store.schema import tenant_slices

SLICE = MOST_PIECES
"""Indices in a slice."""

# Slices whose rows are read at once.
_BATCH = 64
# Rows that are remembered: tenants that submit at the same time.
_MOST_KNOWN = 10_000
_OWN = "anchor_tenant_slices"
_INSERT_ALL = text(
    "INSERT INTO tenant_slices (tenant, first) "
    "SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:firsts AS bigint[])) "
    "ON CONFLICT DO NOTHING RETURNING tenant, first"
)
_INSERT_ONE = text(
    "INSERT INTO tenant_slices (tenant, first) VALUES (:tenant, :first) ON CONFLICT DO NOTHING"
)

Slice: TypeAlias = tuple[str, int]
"""A tenant, and the first index of a slice that has a piece of its."""

_known: WeakKeyDictionary[Pool, set[Slice]] = WeakKeyDictionary()


def enter_slices(connection: Connection, added: Iterable[Run]) -> None:
    """Enter the slices of runs that were appended; the transaction holds the intake lock."""
    rows = {row for run in added for row in list_slices(run)}
    known = _known.setdefault(connection.engine.pool, set())
    if rows <= known:
        return
    own = _find_own(connection)
    present = _insert(connection, rows - known)
    # With the intake lock, nobody else has rows that are not committed yet.
    own |= rows - known - present
    if len(known) > _MOST_KNOWN:
        known.clear()
    known |= present - own


def _find_own(connection: Connection) -> set[Slice]:
    """Return the rows that this transaction has inserted, to which the caller adds."""
    transaction = connection.get_transaction()
    kept: tuple[object, set[Slice]] | None = connection.info.get(_OWN)
    if kept is not None and kept[0] is transaction:
        return kept[1]
    own = set[Slice]()
    connection.info[_OWN] = (transaction, own)
    return own


def _insert(connection: Connection, rows: Collection[Slice]) -> set[Slice]:
    """Insert rows; return those that were there already."""
    if not rows:
        return set()
    if connection.dialect.name == "postgresql":
        # One statement for all of them, because each is a round trip.
        tenants, firsts = map(list, zip(*sorted(rows), strict=True))
        result = connection.execute(_INSERT_ALL, {"tenants": tenants, "firsts": firsts})
        return {*rows} - {(row.tenant, row.first) for row in result}
    return {
        (tenant, first)
        for tenant, first in sorted(rows)
        if connection.execute(_INSERT_ONE, {"tenant": tenant, "first": first}).rowcount == 0
    }


def renew_slices(connection: Connection, runs: Sequence[tuple[Run, Run]]) -> None:
    """Enter the slices of rewritten runs, each given before and after, and drop what is empty."""
    pairs = [(list_slices(before), list_slices(after)) for before, after in runs]
    own = _find_own(connection)
    added = {row for before, after in pairs for row in after - before}
    own |= added - _insert(connection, added)
    end = find_end(connection)
    gone = {row for before, after in pairs for row in before - after if row[1] + SLICE <= end}
    for tenant, first in sorted(gone):
        others = load_runs(connection, first, first + SLICE, skipped=lambda _: None)
        if not any((tenant, first) in list_slices(run) for run in others):
            row = (tenant_slices.c.tenant == tenant) & (tenant_slices.c.first == first)
            connection.execute(delete(tenant_slices).where(row))


def list_slices(run: Run) -> set[Slice]:
    """Return the tenants of a run's pieces, each with the first index of its slices there."""
    kinds = parse_kinds(run.shared)
    rows: set[Slice] = set()
    for first in range(run.first - run.first % SLICE, run.end, SLICE):
        start = max(first - run.first, 0)
        codes = run.kinds[start : first + SLICE - run.first]
        for code in set(codes):
            if _is_common(kinds[code]):
                tenants = {tenant_of(kinds[code].prefix or "")}
            else:
                places = (start + at for at, other in enumerate(codes) if other == code)
                tenants = {tenant_of(run.source(at)) for at in places}
            rows |= {(tenant, first) for tenant in tenants if tenant is not None}
    return rows


def find_places(run: Run, tenant: str) -> list[int]:
    """Return the places of a tenant's pieces in a run, in order."""
    kinds = parse_kinds(run.shared)
    is_theirs = {
        code: tenant_of(kinds[code].prefix or "") == tenant
        for code in set(run.kinds)
        if _is_common(kinds[code])
    }
    return [
        at
        for at, code in enumerate(run.kinds)
        if (is_theirs[code] if code in is_theirs else tenant_of(run.source(at)) == tenant)
    ]


def load_newest_of(
    connection: Connection, tenant: str, start: int, end: int
) -> Iterator[tuple[Run, int]]:
    """Yield a tenant's pieces with indices from ``start`` up to ``end``, newest first.

    Each is given by its run and its place there.  Damaged runs are left out.
    """
    for first in _load_firsts(connection, tenant, start, end):
        low, high = max(first, start), min(first + SLICE, end)
        runs = load_runs(connection, low, high, newest_first=True, skipped=lambda _: None)
        for run in runs:
            for at in reversed(find_places(run, tenant)):
                if low <= run.first + at < high:
                    yield run, at


def _load_firsts(connection: Connection, tenant: str, start: int, end: int) -> Iterator[int]:
    column = tenant_slices.c.first
    query = select(column).where(tenant_slices.c.tenant == tenant, column > start - SLICE)
    while True:
        page = query.where(column < end).order_by(column.desc()).limit(_BATCH)
        firsts = connection.execute(page).scalars().all()
        yield from firsts
        if len(firsts) < _BATCH:
            return
        end = firsts[-1]


def _is_common(kind: Kind) -> bool:
    """Return whether the prefix alone tells whose all pieces of a kind are."""
    return kind.content == ERASED or "/" in (kind.prefix or "")
