"""Parsing of record groups: strict where they are written, tolerant where a record is read.

A record is never malformed because of its groups: those that do not have their form are statements
that cannot be interpreted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from anchor.base.canonical import JsonValue
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message, join
from anchor.base.messages.validation import describe_fault
from anchor.evidence.custody_event import KIND as CUSTODY_KIND
from anchor.evidence.custody_event import CustodyEvent
from anchor.evidence.group_members import Group, Origin, find_group, is_mixed, list_members
from anchor.evidence.record import parse_record
from anchor.evidence.record_groups import RecordGroups
from anchor.evidence.record_notice import KINDS as NOTICE_KINDS

# A custody event or a notice makes sense together with its kind only, and the kind with it.
_BESIDE = {"custody": "kind", "notice": "kind"}
_OF_KIND = {CUSTODY_KIND: "custody"} | dict.fromkeys(NOTICE_KINDS, "notice")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFault:
    """A fault of a member; ``path`` leads to it, such as ``("collection", "place")``."""

    path: tuple[str, ...]
    reason: Message

    @property
    def name(self) -> str:
        """Return the member's path with points, shortened if it is long."""
        return ".".join(self.path)[:120]

    def describe(self) -> Message:
        """Return the fault as a sentence; one of all members together has no path."""
        if not self.path:
            return self.reason
        return Message("group-fault", member=self.name, reason=self.reason)


class GroupsError(MalformedError):
    """Groups that do not have their form; ``faults`` are all of them."""

    def __init__(self, faults: list[GroupFault]) -> None:
        sentences = [fault.describe() for fault in faults]
        super().__init__(Message("groups-invalid", faults=join(sentences, "semicolon")))
        self.faults = tuple(faults)


def parse_groups(members: Mapping[str, object]) -> RecordGroups:
    """Parse groups that are to be written into a record."""
    try:
        return RecordGroups.model_validate(dict(members))
    except ValidationError as error:
        raise GroupsError(list(_list_faults(error))) from error


def _list_faults(error: ValidationError) -> Iterator[GroupFault]:
    faults = error.errors(include_url=False, include_input=False)
    paths = [_spell_path(fault["loc"]) for fault in faults]
    for place, (path, fault) in enumerate(zip(paths, faults, strict=True)):
        # Of the forms that a member may have, the faults of the one that fits best are enough.
        is_of_other_form = any(len(other) > len(path) == 1 and other[:1] == path for other in paths)
        if not is_of_other_form and path not in paths[:place]:
            yield GroupFault(path=path, reason=describe_fault(dict(fault)))


def _spell_path(parts: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the path of a member, without the name that pydantic gives to a form of a union."""
    is_union = parts[:1] == ("modifications",) and len(parts) > 1 and isinstance(parts[1], str)
    kept = (parts[0], *parts[2:]) if is_union else parts
    return tuple(map(str, kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionAccount:
    """The groups of a record; ``uninterpreted`` are members of these names with another form."""

    groups: RecordGroups
    uninterpreted: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the record's groups, interpreted or not."""
        return (*self.groups.members(), *self.uninterpreted)

    @property
    def is_empty(self) -> bool:
        """Return whether the record has no groups at all."""
        return not self.uninterpreted and self.groups == RecordGroups()

    def list_values(self, origin: Origin) -> dict[str, JsonValue]:
        """Return the members that the operator states, or those that the program observed."""
        return _select(RecordGroups, self.groups.members(), origin)


def _select(
    kind: type[Group], members: Mapping[str, JsonValue], origin: Origin
) -> dict[str, JsonValue]:
    """Return the members of one origin; a group with members of both is divided."""
    chosen: dict[str, JsonValue] = {}
    for name, member in list_members(kind).items():
        value = members.get(name)
        inner = find_group(kind, name)
        if isinstance(value, dict) and inner is not None and is_mixed(inner):
            part = _select(inner, value, origin)
            chosen |= {name: part} if part else {}
        elif value is not None and member.origin == origin:
            chosen[name] = value
    return chosen


def read_groups(encoded: bytes) -> CollectionAccount:
    """Return the groups in the bytes of a record that ``parse_record`` has accepted."""
    value: dict[str, Any] = json.loads(encoded)
    present = [name for name in RecordGroups.model_fields if name in value]
    interpreted = {name: value[name] for name in present if _is_group(name, value)}
    if "items" in interpreted and "manifest" in interpreted:
        del interpreted["items"], interpreted["manifest"]
    return CollectionAccount(
        groups=RecordGroups.model_validate(interpreted),
        uninterpreted=tuple(name for name in present if name not in interpreted),
    )


def _is_group(name: str, record: Mapping[str, Any]) -> bool:
    """Return whether a member of a record has the form of the group of its name."""
    names = {name, _BESIDE.get(name, name)}
    if name == "kind" and isinstance(record[name], str):
        names.add(_OF_KIND.get(record[name], name))
    try:
        RecordGroups.model_validate({each: record[each] for each in names if each in record})
    except ValidationError:
        return False
    return True


def read_custody_event(encoded: bytes) -> CustodyEvent | None:
    """Return the custody event in the bytes of a record; None for a record of other evidence.

    An event counts only if the record's digests are those of its bytes.
    """
    event = read_groups(encoded).groups.custody
    if event is None:
        return None
    stated, made = parse_record(encoded).digests, event.digests()
    is_same = stated.sha256 == made.sha256 and stated.sm3 in (None, made.sm3)
    return event if is_same else None
