"""The operator's details of a collection (``anchor-collection/1``): a TOML file and its template.

The file holds the stated members of a record's groups; what the program observes is not taken from
it.  ``docs/record-groups.md`` lists the members.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from anchor.base.errors import UnknownVersionError
from anchor.base.messages.message import Message, translate
from anchor.base.system.details_toml import parse_details_toml
from anchor.evidence.collection_profiles import PROFILE_DEMANDS, Demand
from anchor.evidence.group_members import list_members
from anchor.evidence.group_reading import GroupFault, GroupsError, parse_groups
from anchor.evidence.record_groups import ProfileName, RecordGroups

FORMAT = "anchor-collection/1"
# Members that the command sets, or that depend on the evidence.
_RESERVED = ("profile", "items", "manifest", "platform", "custody", "notice")


def parse_collection_details(data: bytes) -> RecordGroups:
    """Parse the details file of a collection.

    Raises:
        GroupsError: Members are unknown, empty or malformed, or not the operator's to state; the
            message names all of them.
    """
    members = parse_details_toml(data)
    stated = members.pop("format", None)
    if stated != FORMAT:
        raise UnknownVersionError(
            Message("details-format-unknown", actual=str(stated)[:80], expected=FORMAT)
        )
    return check_details(_spell_times(members))


def check_details(members: dict[str, Any]) -> RecordGroups:
    """Return the groups that an operator states.

    Raises:
        GroupsError: Members are unknown, empty or malformed, or not the operator's to state.
    """
    faults = list(_list_reserved(members))
    try:
        groups = parse_groups(members)
    except GroupsError as error:
        faults += error.faults
    if faults:
        raise GroupsError(faults)
    return groups


def _list_reserved(members: dict[str, Any]) -> Iterator[GroupFault]:
    for name, member in list_members(RecordGroups).items():
        if name in members and member.origin == "observed":
            yield GroupFault(path=(name,), reason=Message("details-member-observed"))
        elif name in members and name in _RESERVED:
            yield GroupFault(path=(name,), reason=Message("details-member-reserved"))


def _spell_times(value: Any) -> Any:
    """Return TOML values as JSON values: a time with an offset becomes text in UTC."""
    if isinstance(value, dict):
        return {name: _spell_times(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_spell_times(member) for member in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        with suppress(OverflowError):  # in UTC, of the year 0 or 10000
            value = value.astimezone(UTC)
        return value.isoformat().replace("+00:00", "Z")
    return value


def list_asked(profile: ProfileName) -> tuple[Demand, ...]:
    """Return what a profile demands of the operator's statements."""
    return tuple(demand for demand in PROFILE_DEMANDS[profile] if demand.origin == "stated")


def build_template(profile: ProfileName) -> str:
    """Return a details file to fill in, with every stated member that the profile demands."""
    listed = list_asked(profile)
    order = list(dict.fromkeys(demand.path[:-1] for demand in listed))
    # Members of no table come first in TOML.
    asked = sorted(
        listed, key=lambda demand: (demand.path[1:] != (), order.index(demand.path[:-1]))
    )
    heading = Message("template-heading", profile=profile)
    parts = [*_comment(heading), f'format = "{FORMAT}"', ""]
    for group, demands in groupby(asked, key=lambda demand: demand.path[:-1]):
        if group:
            parts.append(f"[{group[0]}]")
        # A list of tables ends the group's table, so it comes last.
        ordered = sorted(demands, key=lambda demand: demand.form == "people")
        parts += (line for demand in ordered for line in _spell_demand(demand))
        parts.append("")
    return "\n".join(parts)


def _spell_demand(demand: Demand) -> Iterator[str]:
    yield from _comment(demand.describe())
    name = demand.path[-1]
    match demand.form:
        case "people":
            for _ in range(demand.least):
                yield from (f"[[{demand.name}]]", 'name = ""', '# role = ""', '# organisation = ""')
        case "lines":
            yield f'{name} = [""]'
        case "time":
            yield from _comment(Message("template-time"))
            yield f'{name} = ""'
        case "modifications":
            yield from _comment(Message("template-modifications"))
            yield f'{name} = ""'
        case "text":
            yield f'{name} = ""'


def _comment(message: Message) -> Sequence[str]:
    return (f"# {translate(message, 'zh')}", f"# {message}")
