"""Profiles of collection: the members that a record should have for a kind of proceedings.

A profile lists what is missing, with the source of the demand.  It is a list for the operator and
the reader; it never says that a court accepts anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from anchor.base.messages.message import Message
from anchor.evidence.group_members import Group, Member, Origin, find_group, find_member
from anchor.evidence.record_groups import Person, ProfileName, RecordGroups

Level = Literal["must", "should"]
Form = Literal["text", "time", "lines", "people", "modifications", "group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A member that a profile demands; ``least`` is the number of entries that a list needs.

    ``alternative`` is a member of the same group that meets the demand as well.
    """

    path: tuple[str, ...]
    source: Message
    level: Level = "must"
    least: int = 1
    alternative: str | None = None

    @property
    def name(self) -> str:
        """Return the member's path with a point."""
        return ".".join(self.path)

    @property
    def member(self) -> Member:
        """Return the description of the member."""
        return find_member(self._owner, self.path[-1])

    @property
    def form(self) -> Form:
        """Return how the member is asked for."""
        annotation = str(self._owner.model_fields[self.path[-1]].annotation)
        if self.path == ("modifications",):
            return "modifications"
        if len(self.path) == 1:
            return "group"
        if "list[" in annotation:
            return "people" if Person.__name__ in annotation else "lines"
        return "time" if self.path[-1].partition("_at")[1] else "text"

    @property
    def _owner(self) -> type[Group]:
        owner: type[Group] = RecordGroups
        for name in self.path[:-1]:
            group = find_group(owner, name)
            assert group is not None, "demands name members of groups"
            owner = group
        return owner

    @property
    def origin(self) -> Origin:
        """Return whether the operator states the member, or the program observes it."""
        return self.member.origin

    def describe(self) -> Message:
        """Return the sentence that states what is missing, and by which source."""
        if self.least > 1:
            return Message(
                "profile-lacks-several",
                label=self.member.label,
                member=self.name,
                count=self.least,
                source=self.source,
            )
        if self.alternative is not None:
            return Message(
                "profile-lacks-either",
                label=self.member.label,
                member=self.name,
                alternative=".".join((*self.path[:-1], self.alternative)),
                source=self.source,
            )
        return Message(
            "profile-lacks", label=self.member.label, member=self.name, source=self.source
        )


_ONLINE_17 = Message("profile-source-online-litigation-17")
_ONLINE_18 = Message("profile-source-online-litigation-18")
_INTERNET_11 = Message("profile-source-internet-courts-11")
_CIVIL_93 = Message("profile-source-civil-evidence-93")
_CRIMINAL_110 = Message("profile-source-criminal-procedure-110")
_CRIMINAL_112 = Message("profile-source-criminal-procedure-112")
_FRE_13 = Message("profile-source-fre-902-13")
_FRE_14 = Message("profile-source-fre-902-14")
_OWN = Message("profile-source-own-rule")


def _demand(
    source: Message, *names: str, level: Level = "must", least: int = 1
) -> Iterator[Demand]:
    for name in names:
        yield Demand(path=tuple(name.split(".")), source=source, level=level, least=least)


_CIVIL = (
    *_demand(_ONLINE_18, "source.origin", "source.generation_mechanism", "source.storage_history"),
    *_demand(_INTERNET_11, "source.author", "source.generated_at_claimed", level="should"),
    *_demand(
        _INTERNET_11,
        "collection.started_at",
        "collection.ended_at",
        "collection.place",
        "collection.method",
        "collection.steps",
    ),
    *_demand(_CIVIL_93, "collection.operators"),
    *_demand(_ONLINE_18, "collection.witnesses", level="should"),
    *_demand(_INTERNET_11, "modifications", "platform.software", "platform.version"),
    *_demand(
        _ONLINE_17,
        "provider.legal_name",
        "provider.registration_no",
        "provider.filing_no",
        "provider.mlps_level",
        "provider.conflict_of_interest",
        "provider.fees",
    ),
    *_demand(_CIVIL_93, "environment"),
    *_demand(_ONLINE_17, "cleanliness"),
    *_demand(_OWN, "clock", level="should"),
)
_CRIMINAL = (
    *_demand(_CRIMINAL_110, "source.origin", "source.storage_history"),
    *_demand(_CRIMINAL_112, "source.holder"),
    *_demand(
        _CRIMINAL_112,
        "collection.started_at",
        "collection.ended_at",
        "collection.place",
        "collection.method",
        "collection.steps",
    ),
    *_demand(_CRIMINAL_112, "collection.operators", least=2),
    Demand(path=("collection", "witnesses"), source=_CRIMINAL_112, alternative="refusal_reason"),
    *_demand(_CRIMINAL_112, "collection.recording_digest", level="should"),
    *_demand(_CRIMINAL_110, "modifications"),
    *_demand(_OWN, "platform.software", "platform.version", "environment", "cleanliness"),
    *_demand(_OWN, "clock", level="should"),
)
_US_902 = (
    *_demand(_FRE_13, "source.system", "source.generation_mechanism", "collection.method"),
    *_demand(
        _FRE_14,
        "source.origin",
        "collection.started_at",
        "collection.ended_at",
        "collection.operators",
        "platform.software",
        "platform.version",
    ),
    *_demand(_OWN, "collection.place", "source.holder", "modifications", level="should"),
    *_demand(_OWN, "environment", "cleanliness", "clock", level="should"),
)
PROFILE_DEMANDS: dict[ProfileName, tuple[Demand, ...]] = {
    "civil-zh": _CIVIL,
    "criminal-zh": _CRIMINAL,
    "us-902": _US_902,
    "plain": (),
}
"""The demands of each profile, in the order of the record's groups."""


def list_lacking(groups: RecordGroups) -> tuple[Demand, ...]:
    """Return what the profile that a record names demands and the record does not hold."""
    if groups.profile is None:
        return ()
    members = groups.members()
    return tuple(
        demand for demand in PROFILE_DEMANDS[groups.profile] if not _is_met(demand, members)
    )


def _is_met(demand: Demand, members: Any) -> bool:
    owner = members
    for name in demand.path[:-1]:
        owner = owner.get(name, {})
    value = owner.get(demand.path[-1])
    if demand.path == ("clock",) and value:
        return value["state"] in ("agree", "disagree")
    if isinstance(value, list):
        return len(value) >= demand.least
    return bool(value) or bool(owner.get(demand.alternative))
