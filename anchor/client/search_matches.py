"""What a search found, as the service tells it."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Any

from anchor.client.answer_members import parse_object, read_each, read_member
from anchor.client.case_answers import TenantCase, read_case_members


@dataclass(frozen=True, slots=True)
class FoundEvidence:
    """A piece of evidence; ``index`` is its place in the log, None until it is sealed."""

    id: str
    number: str
    name: str
    index: int | None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of what was found, the newest first; ``next`` is the ``before`` of the next page.

    ``certificates`` are pairs of id and number.  Without ``complete``, evidence that was accepted
    lately may be missing.
    """

    evidence: tuple[FoundEvidence, ...]
    cases: tuple[TenantCase, ...]
    certificates: tuple[tuple[str, str], ...]
    next: int | None
    complete: bool


def read_search(content: bytes) -> SearchPage:
    """Parse what a search found."""
    members = parse_object(content)
    return SearchPage(
        evidence=tuple(read_each(members, "evidence", _read_evidence)),
        cases=tuple(read_each(members, "cases", read_case_members)),
        certificates=tuple(read_each(members, "certificates", _read_certificate)),
        next=read_member(members, "next", int, NoneType),
        complete=read_member(members, "complete", bool),
    )


def _read_evidence(members: dict[str, Any]) -> FoundEvidence:
    return FoundEvidence(
        id=read_member(members, "id", str),
        number=read_member(members, "number", str),
        name=read_member(members, "name", str),
        index=read_member(members, "index", int, NoneType),
    )


def _read_certificate(members: dict[str, Any]) -> tuple[str, str]:
    return read_member(members, "id", str), read_member(members, "number", str)
