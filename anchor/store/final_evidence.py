"""The tenants' evidence below a final head: counted for messages, and listed in the log's order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import Connection

from anchor.store.columns import Run
from anchor.store.evidence_kinds import parse_kinds
from anchor.store.file_origins import tenant_of
from anchor.store.runs import load_runs

# Runs read for one page, so that a page takes a bounded time in others' evidence, too.
_MOST_RUNS = 200


@dataclass(slots=True)
class TenantPieces:
    """How many pieces of a tenant there are, with the identities of the first ones."""

    count: int = 0
    identities: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FinalPage:
    """Pieces of a tenant, as index and identity; ``following`` is where the next page begins."""

    pieces: tuple[tuple[int, bytes], ...]
    following: int


def count_by_tenant(
    connection: Connection, start: int, end: int, tenants: Collection[str], *, listed: int
) -> dict[str, TenantPieces]:
    """Count the pieces of these tenants with indices from ``start`` up to ``end``, by tenant.

    The first ``listed`` of each are named.  Erased evidence is nobody's.
    """
    counts: dict[str, TenantPieces] = {}
    for run in load_runs(connection, start, end):
        for at, tenant in _list_tenants(run, start, end):
            if tenant in tenants:
                pieces = counts.setdefault(tenant, TenantPieces())
                pieces.count += 1
                if len(pieces.identities) < listed:
                    pieces.identities.append(run.identity(at))
    return counts


def load_final_page(
    connection: Connection, tenant: str, start: int, end: int, limit: int
) -> FinalPage:
    """Return up to ``limit`` pieces of a tenant with indices from ``start`` up to ``end``.

    A page may have fewer, or none, and not be the last one: the last one leads to ``end``.
    """
    pieces: list[tuple[int, bytes]] = []
    following = start
    for run in islice(load_runs(connection, start, end), _MOST_RUNS):
        for at, owner in _list_tenants(run, start, end):
            if owner == tenant:
                if len(pieces) == limit:
                    return FinalPage(tuple(pieces), following)
                pieces.append((run.first + at, run.identity(at)))
                following = run.first + at + 1
        following = min(run.end, end)
    return FinalPage(tuple(pieces), following)


def _list_tenants(run: Run, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Yield the places of a run within these indices that are a tenant's, with the tenant."""
    prefixes = [kind.prefix for kind in parse_kinds(run.shared)]
    tenants = [None if prefix is None else tenant_of(prefix) for prefix in prefixes]
    for at in range(max(start - run.first, 0), min(end, run.end) - run.first):
        code = run.kinds[at]
        tenant = tenant_of(run.source(at)) if prefixes[code] is None else tenants[code]
        if tenant is not None:
            yield at, tenant
