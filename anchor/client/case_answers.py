"""Cases, exhibits and notes, as the service tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeVar

from anchor.client.answer_members import parse_object, read_each, read_member

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCase:
    """A case: ``parties`` are pairs of role and name, ``exhibits`` is their number.

    ``state`` is ``open`` or ``closed``; ``hold`` is the reason of its legal hold, or None.
    """

    id: str
    number: str
    title: str
    authority: str
    parties: tuple[tuple[str, str], ...]
    shared: bool
    state: str
    exhibits: int
    hold: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseExhibit:
    """An exhibit; once its evidence is erased, ``evidence``, ``number`` and ``name`` are None."""

    id: str
    position: int
    label: str
    purpose: str
    note: str
    evidence: str | None
    number: str | None
    name: str | None
    leaf: str
    erased_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseNote:
    """A note in a case; ``name`` is that of the person who wrote it, or None."""

    id: int
    at: str
    author: str
    name: str | None
    text: str


@dataclass(frozen=True, slots=True)
class CasePage:
    """A page of cases, and the ``before`` of the next page, None after the last."""

    cases: tuple[TenantCase, ...]
    next: str | None


def read_case(content: bytes) -> TenantCase:
    """Parse a case."""
    return read_case_members(parse_object(content))


def read_cases(content: bytes) -> CasePage:
    """Parse a page of cases."""
    members = parse_object(content)
    cases = read_each(members, "cases", read_case_members)
    return CasePage(tuple(cases), read_member(members, "next", str, NoneType))


def read_exhibit(content: bytes) -> CaseExhibit:
    """Parse an exhibit."""
    return _read_exhibit(parse_object(content))


def read_exhibits(content: bytes) -> list[CaseExhibit]:
    """Parse the exhibits of a case."""
    return read_each(parse_object(content), "exhibits", _read_exhibit)


def read_note(content: bytes) -> CaseNote:
    """Parse a note."""
    return _read_note(parse_object(content))


def read_notes(content: bytes) -> list[CaseNote]:
    """Parse a page of notes."""
    return read_each(parse_object(content), "notes", _read_note)


def read_case_members(members: dict[str, Any]) -> TenantCase:
    """Parse the members of a case."""
    hold: Mapping[str, Any] | None = read_member(members, "hold", dict, NoneType)
    return TenantCase(
        id=read_member(members, "id", str),
        number=read_member(members, "number", str),
        title=read_member(members, "title", str),
        authority=read_member(members, "authority", str),
        parties=tuple(read_each(members, "parties", _read_party)),
        shared=read_member(members, "shared", bool),
        state=read_member(members, "state", str),
        exhibits=read_member(members, "exhibits", int),
        hold=None if hold is None else read_member(dict(hold), "reason", str),
    )


def _read_party(members: dict[str, Any]) -> tuple[str, str]:
    return read_member(members, "role", str), read_member(members, "name", str)


def _read_exhibit(members: dict[str, Any]) -> CaseExhibit:
    return CaseExhibit(
        id=read_member(members, "id", str),
        position=read_member(members, "position", int),
        label=read_member(members, "label", str),
        purpose=read_member(members, "purpose", str),
        note=read_member(members, "note", str),
        evidence=read_member(members, "evidence", str, NoneType),
        number=read_member(members, "number", str, NoneType),
        name=read_member(members, "name", str, NoneType),
        leaf=read_member(members, "leaf", str),
        erased_at=read_member(members, "erased_at", str, NoneType),
    )


def _read_note(members: dict[str, Any]) -> CaseNote:
    return CaseNote(
        id=read_member(members, "id", int),
        at=read_member(members, "at", str),
        author=read_member(members, "author", str),
        name=read_member(members, "name", str, NoneType),
        text=read_member(members, "text", str),
    )
