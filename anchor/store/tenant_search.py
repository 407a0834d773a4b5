"""The search of a tenant: its evidence, the cases that the viewer sees, and its certificates."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from anchor.base.errors import CannotCheckError
from anchor.evidence.printed_number import read_number_or_none
from anchor.evidence.search_query import SearchQuery
from anchor.people.case_rules import CaseViewer
from anchor.store.cases import CaseRow, parse_cases, visible_cases
from anchor.store.certificates import IssuedCertificate, find_certificates_by_number
from anchor.store.evidence import StoredEvidence, find_first_since, load_stored
from anchor.store.file_origins import tenant_of
from anchor.store.name_index import find_named_pieces
from anchor.store.number_search import find_numbered_indices
from anchor.store.runs import find_end
from anchor.store.schema import cases

_MOST_CASES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchMatches:
    """What was found, the newest first; ``next`` is the ``before`` of the next page, or None.

    Without ``is_complete``, evidence that was accepted lately may be missing.
    """

    pieces: tuple[StoredEvidence, ...]
    cases: tuple[CaseRow, ...]
    certificates: tuple[IssuedCertificate, ...]
    next: int | None
    is_complete: bool


def search_tenant(
    connection: Connection,
    tenant: str,
    viewer: CaseViewer,
    query: SearchQuery,
    limit: int,
    before: int | None = None,
) -> SearchMatches:
    """Return what matches a query: up to ``limit`` pieces, from before the index ``before``.

    Cases and certificates are on the first page only.
    """
    indices, is_complete = (
        _find_numbered(connection, tenant, query) if before is None else ([], True)
    )
    count = len(indices)
    if not indices:
        end = find_end(connection)
        start = 0 if query.since is None else find_first_since(connection, query.since, 0, end)
        if query.until is not None:
            end = find_first_since(connection, query.until, start, end)
        end = end if before is None else min(before, end)
        indices, is_searched = find_named_pieces(
            connection, tenant, query.terms, start, end, limit + 1
        )
        is_complete, count = is_complete and is_searched, limit
    shown = indices[:count]
    pieces = [
        piece
        for piece in reversed(load_stored(connection, shown))
        if piece.record is not None and tenant_of(piece.source) == tenant
    ]
    is_first = before is None
    return SearchMatches(
        pieces=tuple(pieces),
        cases=tuple(_find_cases(connection, tenant, viewer, query)) if is_first else (),
        certificates=tuple(_find_certificates(connection, tenant, query)) if is_first else (),
        next=shown[-1] if len(indices) > count else None,
        is_complete=is_complete,
    )


def _find_numbered(
    connection: Connection, tenant: str, query: SearchQuery
) -> tuple[list[int], bool]:
    number = read_number_or_none(query.text)
    if number is None:
        return [], True
    try:
        indices = find_numbered_indices(connection, number)
    except CannotCheckError:
        return [], False
    stored = load_stored(connection, indices)
    return [piece.id for piece in reversed(stored) if tenant_of(piece.source) == tenant], True


def _find_cases(
    connection: Connection, tenant: str, viewer: CaseViewer, query: SearchQuery
) -> list[CaseRow]:
    conditions = [cases.c.folded.contains(term, autoescape=True) for term in query.terms]
    if query.since is not None and query.until is not None:
        conditions += [cases.c.created_at >= query.since, cases.c.created_at < query.until]
    newest = (cases.c.created_at.desc(), cases.c.id.desc())
    condition = and_(visible_cases(tenant, viewer), *conditions)
    rows = connection.execute(select(cases).where(condition).order_by(*newest).limit(_MOST_CASES))
    return parse_cases(connection, rows.all())


def _find_certificates(
    connection: Connection, tenant: str, query: SearchQuery
) -> list[IssuedCertificate]:
    numbers = {query.text, query.text.upper()}
    certificates = [
        each
        for number in sorted(numbers)
        for each in find_certificates_by_number(connection, number)
    ]
    return [each for each in certificates if each.tenant == tenant]
