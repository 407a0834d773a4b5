"""The documents of a search."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from anchor.base.types import MAX_LOG_SIZE
from anchor.evidence.preservation_number import number_record
from anchor.evidence.record import parse_record
from anchor.evidence.search_query import MAX_QUERY
from anchor.service.case_schemas import CaseDocument, describe_case
from anchor.service.schemas import Id, Number
from anchor.service.worker import Service
from anchor.store.case_exhibits import count_exhibits
from anchor.store.evidence import StoredEvidence
from anchor.store.tenant_search import SearchMatches

QueryText = Annotated[
    str,
    Query(
        min_length=1,
        max_length=MAX_QUERY,
        description="Parts of a name; a number, a digest; a day or a month.",
        examples=["合同 2026-01"],
    ),
]
BeforePiece = Annotated[
    int | None, Query(ge=0, le=MAX_LOG_SIZE, description="Only evidence with a smaller index.")
]
SearchLimit = Annotated[int, Query(ge=1, le=100)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FoundEvidenceDocument(_Document):
    """A piece of evidence that was found; ``index`` is its place in the log, null until then."""

    id: Id
    number: Number
    name: str
    index: int | None


class FoundCertificateDocument(_Document):
    """A certificate that was found."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    number: str
    state: str


class SearchDocument(_Document):
    """What was found, the newest first; ``next`` is the value of ``before`` for the next page.

    Without ``complete``, evidence that was accepted lately may be missing.
    """

    evidence: list[FoundEvidenceDocument]
    cases: list[CaseDocument]
    certificates: list[FoundCertificateDocument]
    next: int | None
    complete: bool


async def describe_matches(service: Service, matches: SearchMatches) -> SearchDocument:
    """Return the document of what was found."""
    counts = await service.query(count_exhibits, [case.id for case in matches.cases])
    return SearchDocument(
        evidence=[describe_piece(piece) for piece in matches.pieces],
        cases=[describe_case(case, counts.get(case.id, 0)) for case in matches.cases],
        certificates=[
            FoundCertificateDocument(id=each.id, number=each.number or "", state=each.state)
            for each in matches.certificates
        ],
        next=matches.next,
        complete=matches.is_complete,
    )


def describe_piece(piece: StoredEvidence) -> FoundEvidenceDocument:
    """Return the document of a piece of evidence that was found."""
    record = piece.record or b""
    return FoundEvidenceDocument(
        id=piece.identity.hex(),
        number=number_record(record),
        name=parse_record(record).name,
        index=piece.leaf_index,
    )
