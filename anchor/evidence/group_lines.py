"""The values of record groups as lines for people: a label, the member's path and its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from anchor.base.canonical import JsonValue
from anchor.base.messages.message import Message
from anchor.base.units import format_stored_time
from anchor.evidence.group_members import Group, find_group, list_members
from anchor.evidence.group_reading import read_groups
from anchor.evidence.group_values import spell_value
from anchor.evidence.record_groups import RecordGroups
from anchor.evidence.statement_text import is_time

_Entry = tuple[Message, int]
"""The label of a list, and the number of one of its entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """One value; ``value`` is empty for an empty list."""

    path: str
    label: Message
    value: str


def list_lines(members: Mapping[str, JsonValue]) -> Iterator[GroupLine]:
    """Yield the values of a record's groups, level by level, in the order of the table."""
    return _list_lines(RecordGroups, members, "", None)


def list_statements(record: bytes) -> list[GroupLine]:
    """Return what the bytes of a record that ``parse_record`` has accepted state, line by line.

    Times are as people read them.
    """
    lines = list_lines(read_groups(record).list_values("stated"))
    return [
        replace(line, value=format_stored_time(line.value)) if is_time(line.value) else line
        for line in lines
    ]


def without_checks(members: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the members without lists of checks, each of which gets a line of its own."""
    kept = dict(members)
    for name, checks in (("cleanliness", "checks"), ("foreign_capture", "findings")):
        group = members.get(name)
        if isinstance(group, dict):
            kept[name] = {inner: value for inner, value in group.items() if inner != checks}
    return kept


def _list_lines(
    kind: type[Group], members: Mapping[str, JsonValue], path: str, entry_of: _Entry | None
) -> Iterator[GroupLine]:
    for name, member in list_members(kind).items():
        if name not in members:
            continue
        value, inner, where = members[name], find_group(kind, name), f"{path}{name}"
        if isinstance(value, dict) and inner is not None:
            yield from _list_lines(inner, value, f"{where}.", entry_of)
        elif isinstance(value, list) and inner is not None:
            for place, entry in enumerate(value):
                assert isinstance(entry, dict), "a list of groups has objects"
                yield from _list_lines(inner, entry, f"{where}.{place}.", (member.label, place + 1))
        else:
            label = member.label
            if entry_of is not None:
                group, number = entry_of
                label = Message("group-entry-label", group=group, number=number, label=label)
            yield GroupLine(path=where, label=label, value=spell_value(name, value))
