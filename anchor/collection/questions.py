"""Questions to the operator, one for each statement that a profile demands, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.collection.collection_details import check_details, list_asked
from anchor.evidence.collection_profiles import Demand
from anchor.evidence.record_groups import ProfileName, RecordGroups

NO_CHANGES = "none-declared"

Ask = Callable[[Message], str]
"""Ask for one line; an empty answer ends a list, or leaves the statement out."""


def ask_details(
    profile: ProfileName, *, ask: Ask, refuse: Callable[[Message], None]
) -> RecordGroups:
    """Return the operator's answers; a malformed answer is refused and asked for again."""
    members: dict[str, Any] = {}
    for demand in list_asked(profile):
        while True:
            answer = _ask(demand, ask)
            if answer is None:
                break
            extended = deepcopy(members)
            _merge(extended, demand.path, answer)
            try:
                check_details(extended)
            except MalformedError as error:
                refuse(error.message)
                continue
            members = extended
            break
    return check_details(members)


def _ask(demand: Demand, ask: Ask) -> Any:
    """Return the answer in the form of the demanded member; None if there is none."""
    label = demand.describe()
    match demand.form:
        case "lines":
            return _ask_lines(Message("question-lines", subject=label), ask) or None
        case "people":
            lines = _ask_lines(Message("question-people", subject=label), ask)
            return [_read_person(line) for line in lines] or None
        case "modifications":
            change = ask(Message("question-modifications", subject=label))
            if change in ("", NO_CHANGES):
                return change or None
            return [{"change": change, "why": ask(Message("question-modification-why"))}]
        case "time":
            return ask(Message("question-time", subject=label)) or None
        case _:
            return ask(Message("question-text", subject=label)) or None


def _ask_lines(question: Message, ask: Ask) -> list[str]:
    lines: list[str] = []
    while line := ask(question):
        lines.append(line)
    return lines


def _read_person(line: str) -> dict[str, str]:
    """Return a person written as ``name, role, organisation``; the latter two may be left out."""
    parts = [part.strip() for part in line.replace("，", ",").split(",", 2)]
    named = zip(("name", "role", "organisation"), parts, strict=False)
    return {member: text for member, text in named if text}


def _merge(members: dict[str, Any], path: Sequence[str], value: Any) -> None:
    owner = members
    for name in path[:-1]:
        owner = owner.setdefault(name, {})
    owner[path[-1]] = value
