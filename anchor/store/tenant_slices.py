"""Where each tenant's evidence lies in the log, so that its newest pieces are found at once.

The log mixes tenants.  A *slice* is 1,024 neighbouring indices, from a multiple of 1,024 on; the
table has a row for each slice that holds a piece of a tenant.  A page of a tenant's evidence reads
at most as many slices as it has pieces, however long the log is.

Rows are written with the evidence: by whatever appends pieces, and by whatever replaces them.
Erased evidence has no tenant any more, so an erasure that leaves nothing of a tenant in a slice
takes the row away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from anchor.store.columns import MOST_PIECES, Run
from anchor.store.evidence_kinds import ERASED, Kind, parse_kinds
from anchor.store.file_origins import tenant_of
from anchor.store.runs import load_runs
from anchor.store.schema import tenant_slices

SLICE = MOST_PIECES
"""Indices in a slice."""

# Slices whose rows are read at once.
_BATCH = 64


def enter_slices(connection: Connection, added: Iterable[Run]) -> None:
    """Enter the slices of runs that were appended."""
    rows = sorted({row for run in added for row in list_slices(run)})
    if not rows:
        return
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = [{"tenant": tenant, "first": first} for tenant, first in rows]
    connection.execute(make(tenant_slices).on_conflict_do_nothing(), values)


def renew_slices(connection: Connection, runs: Sequence[tuple[Run, Run]]) -> None:
    """Enter the slices of rewritten runs, each given before and after, and drop what is empty."""
    enter_slices(connection, [after for _, after in runs])
    gone = {row for before, after in runs for row in list_slices(before) - list_slices(after)}
    for tenant, first in sorted(gone):
        others = load_runs(connection, first, first + SLICE, skipped=lambda _: None)
        if not any((tenant, first) in list_slices(run) for run in others):
            row = (tenant_slices.c.tenant == tenant) & (tenant_slices.c.first == first)
            connection.execute(delete(tenant_slices).where(row))


def list_slices(run: Run) -> set[tuple[str, int]]:
    """Return the tenants of a run's pieces, each with the first index of its slices there."""
    kinds = parse_kinds(run.shared)
    rows: set[tuple[str, int]] = set()
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
