"""Rules for cases: who sees one, what its texts may be, how its parties and exhibits are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

from anchor.base.messages.message import Message
from anchor.people.actors import Actor
from anchor.people.plain_text import TextRule, clean_text, find_text_fault
from anchor.people.roles import Permission

MAX_EXHIBITS: Final = 1_000
"""The most exhibits of a case: as many as one page and one packed folder can list."""
MAX_PARTIES: Final = 100
"""The most parties of a case."""
MAX_NOTES: Final = 10_000
"""The most notes of a case."""
MAX_LINKS: Final = 50
"""The most links to a case that are in force at a time."""

CaseState: TypeAlias = Literal["open", "closed"]
LinkState: TypeAlias = Literal["in-force", "expired", "revoked"]

CASE_TEXTS: Final[Mapping[str, TextRule]] = {
    "number": TextRule(most=100, is_required=True),
    "title": TextRule(most=200, is_required=True),
    "authority": TextRule(most=200),
}
"""The texts of a case by their names in forms and in the API."""
EXHIBIT_TEXTS: Final[Mapping[str, TextRule]] = {
    "label": TextRule(most=40),
    "purpose": TextRule(most=1_000, is_line=False),
    "note": TextRule(most=1_000, is_line=False),
}
"""The texts of an exhibit, likewise."""
NOTE_TEXT: Final = TextRule(most=10_000, is_required=True, is_line=False)
LINK_LABEL: Final = TextRule(most=100, is_required=True)
HOLD_REASON: Final = TextRule(most=500, is_required=True)
PARTY_ROLE: Final = TextRule(most=50, is_required=True)
PARTY_NAME: Final = TextRule(most=200, is_required=True)

Id = TypeVar("Id")


@dataclass(frozen=True, slots=True)
class Party:
    """A party to a case, in the words of whoever entered it: ``plaintiff``, ``Ann Lee``."""

    role: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseViewer:
    """Whose cases are asked for: all of a tenant's, or those that a person or a key sees."""

    sees_all: bool
    person: str | None
    creator: str


def viewer_of(permissions: frozenset[Permission], actor: Actor) -> CaseViewer:
    """Return as whom an actor sees cases.

    Owners see all cases of their tenant; other persons those that they are members of, other keys
    those that they created, and both the cases that are open to the tenant.
    """
    is_person = actor.kind == "person"
    return CaseViewer(
        sees_all="manage" in permissions,
        person=actor.id if is_person else None,
        creator="" if is_person else actor.encode(),
    )


def releases_exhibits(
    *, is_in_force: bool, lifts: bool = False, closes: bool = False, removes: bool = False
) -> bool:
    """Return whether a change lets exhibits be erased that a hold in force protects.

    Such a change needs the permission ``manage``; to place a hold, ``submit`` is enough.
    """
    return is_in_force and (lifts or closes or removes)


def move_to(ids: Sequence[Id], id: Id, position: int) -> list[Id]:
    """Return ``ids`` with ``id`` at a position, from 1; beyond the end is the end."""
    rest = [other for other in ids if other != id]
    place = max(position, 1) - 1
    return [*rest[:place], id, *rest[place:]]


def read_parties(text: str) -> tuple[list[Party], Message | None]:
    """Return the parties in a text, one a line as ``role: name``, and what is wrong with it.

    The colon may be that of Chinese.
    """
    parties: list[Party] = []
    lines = [line for line in map(str.strip, clean_text(text).split("\n")) if line]
    if len(lines) > MAX_PARTIES:
        return [], Message("case-parties-too-many", limit=MAX_PARTIES)
    for number, line in enumerate(lines, 1):
        role, colon, name = line.replace("：", ":", 1).partition(":")
        party = Party(role.strip(), name.strip())
        fault = Message("case-party-without-colon") if not colon else find_party_fault(party)
        if fault is not None:
            return [], Message("case-party-line-invalid", line=number, reason=fault)
        parties.append(party)
    return parties, None


def find_party_fault(party: Party) -> Message | None:
    """Return what is wrong with a party, or None."""
    return find_text_fault(party.role, PARTY_ROLE) or find_text_fault(party.name, PARTY_NAME)


def write_parties(parties: Sequence[Party]) -> str:
    """Return the text that ``read_parties`` reads."""
    return "\n".join(f"{party.role}: {party.name}" for party in parties)
