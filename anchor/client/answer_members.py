"""Members of the service's answers, of the types that they must have."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

from anchor.base.canonical import check_depth
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import StageName

_Value = TypeVar("_Value")


def parse_object(content: bytes) -> dict[str, Any]:
    """Return the members of a JSON object."""
    try:
        check_depth(content, subject="it")
        members = json.loads(content)
    except (ValueError, MalformedError):
        members = None
    if not isinstance(members, dict):
        raise MalformedError(Message("answer-not-json-object"))
    return members


def read_member(members: dict[str, Any], name: str, *kinds: type) -> Any:
    """Return a member, None if it is missing."""
    member = members.get(name)
    if type(member) not in kinds:  # not isinstance: True is not a number
        raise MalformedError(Message("answer-member-invalid", name=name))
    return member


def read_stage(members: dict[str, Any]) -> StageName:
    """Return the member ``state``."""
    state: StageName = read_member(members, "state", str)
    if state not in get_args(StageName):
        raise MalformedError(Message("answer-state-unknown"))
    return state


def read_each(
    members: dict[str, Any], name: str, read: Callable[[dict[str, Any]], _Value]
) -> list[_Value]:
    """Parse each of the objects in a member."""
    parts: Sequence[object] = read_member(members, name, list)
    if not all(isinstance(part, dict) for part in parts):
        raise MalformedError(Message("answer-member-invalid", name=name))
    return [read(part) for part in parts if isinstance(part, dict)]
