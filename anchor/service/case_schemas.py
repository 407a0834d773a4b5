"""The documents of cases: what is asked, and how cases, exhibits, notes and members are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from anchor.base.canonical import MAX_INTEGER
from anchor.base.messages.message import Message
from anchor.evidence.preservation_number import number_record
from anchor.evidence.record import parse_record
from anchor.people.actors import Actor
from anchor.people.case_rules import (
    CASE_TEXTS,
    EXHIBIT_TEXTS,
    HOLD_REASON,
    MAX_EXHIBITS,
    MAX_PARTIES,
    NOTE_TEXT,
    PARTY_NAME,
    PARTY_ROLE,
    CaseState,
    Party,
)
from anchor.service.problems import FieldError, Problem
from anchor.service.schemas import Digest, Id, NextPage, Number
from anchor.store.case_exhibits import ExhibitRow
from anchor.store.case_members import CaseMember
from anchor.store.case_notes import CaseNoteRow
from anchor.store.cases import CaseRow
from anchor.store.evidence import StoredEvidence
from anchor.store.persons import PersonRow

_ID = r"^[0-9a-f]{16}$"

CaseInPath = Annotated[str, Path(max_length=64, description="As the list of cases names it.")]
ExhibitInPath = Annotated[str, Path(max_length=64, description="As the list of exhibits names it.")]
BeforeCase = Annotated[
    str | None, Query(max_length=64, description="Only cases after this one in the list, by id.")
]
BeforeNote = Annotated[
    int | None, Query(ge=1, le=MAX_INTEGER, description="Only notes with a smaller id.")
]
StateInQuery = Annotated[CaseState | None, Query(description="Only cases in this state.")]

_CaseNumber = Annotated[
    str,
    Field(
        max_length=CASE_TEXTS["number"].most,
        description="The court's, the authority's or your own; one case of a tenant has it.",
        examples=["（2026）沪0105民初1234号"],
    ),
]
_Title = Annotated[str, Field(max_length=CASE_TEXTS["title"].most)]
_Authority = Annotated[
    str, Field(max_length=CASE_TEXTS["authority"].most, description="The court or authority.")
]
_Shared = Annotated[
    bool, Field(description="Whether everybody in the tenant sees it, and not its members only.")
]
_Label = Annotated[str, Field(max_length=EXHIBIT_TEXTS["label"].most, examples=["证据1"])]
_Purpose = Annotated[
    str, Field(max_length=EXHIBIT_TEXTS["purpose"].most, description="What it is to prove.")
]
_ExhibitNote = Annotated[str, Field(max_length=EXHIBIT_TEXTS["note"].most)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PartyDocument(_Document):
    """A party, in the words of whoever entered it."""

    role: Annotated[str, Field(max_length=PARTY_ROLE.most, examples=["plaintiff", "原告"])]
    name: Annotated[str, Field(max_length=PARTY_NAME.most)]


_Parties = Annotated[list[PartyDocument], Field(max_length=MAX_PARTIES)]


class CaseRequest(_Document):
    """A case to create."""

    number: _CaseNumber
    title: _Title
    authority: _Authority = ""
    parties: _Parties = []
    shared: _Shared = False


class HoldRequest(_Document):
    """A legal hold to place on a case's exhibits."""

    reason: Annotated[str, Field(max_length=HOLD_REASON.most)]


class CaseChange(_Document):
    """What changes of a case; what is left out stays.  ``"hold": null`` lifts the hold."""

    number: _CaseNumber = ""
    title: _Title = ""
    authority: _Authority = ""
    parties: _Parties = []
    shared: _Shared = False
    state: CaseState = "open"
    hold: HoldRequest | None = None


class CaseHoldDocument(_Document):
    """The legal hold on a case's exhibits, in force while the case is open."""

    reason: str
    placed_by: str
    placed_at: str


class CaseDocument(_Document):
    """A case; ``exhibits`` is their number."""

    id: Annotated[str, Field(pattern=_ID)]
    number: str
    title: str
    authority: str
    parties: list[PartyDocument]
    shared: bool
    state: CaseState
    created_at: str
    created_by: Annotated[str, Field(examples=["person:1f0c3ad2b1e4f506"])]
    closed_at: str | None
    hold: CaseHoldDocument | None
    exhibits: Annotated[int, Field(ge=0, le=MAX_EXHIBITS)]


class CasesDocument(_Document):
    """Cases, the newest first; ``next`` is the value of ``before`` for the next page."""

    cases: list[CaseDocument]
    next: str | None


class ExhibitRequest(_Document):
    """A piece of evidence to add to a case."""

    evidence: Annotated[
        str, Field(max_length=200, description="Its id, or any number that its receipt prints.")
    ]
    label: _Label = ""
    purpose: _Purpose = ""
    note: _ExhibitNote = ""


class ExhibitChange(_Document):
    """What changes of an exhibit; what is left out stays."""

    label: _Label = ""
    purpose: _Purpose = ""
    note: _ExhibitNote = ""
    position: Annotated[int, Field(ge=1, le=MAX_EXHIBITS)] = 1


class ExhibitDocument(_Document):
    """An exhibit; once its evidence is erased, only the leaf and what was entered are left."""

    id: Annotated[str, Field(pattern=_ID)]
    position: Annotated[int, Field(ge=1)]
    label: str
    purpose: str
    note: str
    evidence: Id | None
    number: Number | None
    name: str | None
    leaf: Digest
    added_at: str
    added_by: str
    erased_at: str | None


class ExhibitsDocument(_Document):
    """The exhibits of a case, in order."""

    exhibits: list[ExhibitDocument]


class CaseNoteRequest(_Document):
    """A note to add to a case."""

    text: Annotated[str, Field(max_length=NOTE_TEXT.most)]


class CaseNoteDocument(_Document):
    """A note; ``name`` is that of the person who wrote it."""

    id: int
    at: str
    author: str
    name: str | None
    text: str


class CaseNotesDocument(_Document):
    """Notes, the newest first; ``next`` is the value of ``before`` for the next page."""

    notes: list[CaseNoteDocument]
    next: int | None


class CaseMemberDocument(_Document):
    """A person who sees a case."""

    person: str
    name: str
    since: str


class CaseMembersDocument(_Document):
    """A page of the members of a case, the earliest first."""

    members: list[CaseMemberDocument]
    next: NextPage


def read_party_documents(parties: Sequence[PartyDocument]) -> tuple[Party, ...]:
    """Return the parties of a request."""
    return tuple(Party(party.role.strip(), party.name.strip()) for party in parties)


def refuse_texts(faults: Mapping[str, Message]) -> None:
    """Check that the texts of a request have no fault."""
    if faults:
        errors = [FieldError(f"/{name}", fault) for name, fault in faults.items()]
        raise Problem(422, Message("request-body-invalid"), errors=errors)


def describe_case(case: CaseRow, exhibits: int) -> CaseDocument:
    """Return a case's document."""
    fields, hold = case.fields, case.hold
    return CaseDocument(
        id=case.id,
        number=fields.number,
        title=fields.title,
        authority=fields.authority,
        parties=[PartyDocument(role=party.role, name=party.name) for party in fields.parties],
        shared=fields.is_shared,
        state=case.state,
        created_at=case.created_at,
        created_by=case.created_by,
        closed_at=case.closed_at,
        hold=None
        if hold is None
        else CaseHoldDocument(
            reason=hold.reason, placed_by=hold.placed_by, placed_at=hold.placed_at
        ),
        exhibits=exhibits,
    )


def describe_exhibit(exhibit: ExhibitRow, piece: StoredEvidence | None) -> ExhibitDocument:
    """Return an exhibit's document; ``piece`` is its evidence, if that is stored."""
    record = None if piece is None else piece.record
    return ExhibitDocument(
        id=exhibit.id,
        position=exhibit.position,
        label=exhibit.label,
        purpose=exhibit.purpose,
        note=exhibit.note,
        evidence=None if exhibit.identity is None else exhibit.identity.hex(),
        number=None if record is None else number_record(record),
        name=None if record is None else parse_record(record).name,
        leaf=exhibit.leaf.hex(),
        added_at=exhibit.added_at,
        added_by=exhibit.added_by,
        erased_at=exhibit.erased_at,
    )


def describe_note(note: CaseNoteRow, persons: Mapping[str, PersonRow]) -> CaseNoteDocument:
    """Return a note's document; ``persons`` are those it may name, by id."""
    person = persons.get(Actor.decode(note.author).id)
    return CaseNoteDocument(
        id=note.id,
        at=note.at,
        author=note.author,
        name=None if person is None else person.name,
        text=note.text,
    )


def describe_case_member(member: CaseMember) -> CaseMemberDocument:
    """Return a member's document."""
    return CaseMemberDocument(person=member.person.id, name=member.person.name, since=member.since)
