"""JSON of captures: objects without duplicate members, of bounded size and depth."""

from __future__ import annotations

import json
from typing import Any

from anchor.base.canonical import check_depth
from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.foreign_capture.capture_findings import CaptureFault


def parse_object(data: bytes, subject: str) -> dict[str, Any]:
    """Parse one JSON object."""
    try:
        check_depth(data, subject=subject)
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique_members)
    except (ValueError, MalformedError) as error:
        raise CaptureFault(Message("foreign-json-invalid", name=subject)) from error
    if not isinstance(value, dict):
        raise CaptureFault(Message("foreign-json-invalid", name=subject))
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def get_text(members: dict[str, Any], name: str) -> str | None:
    """Return a member that is text and not empty; None for any other."""
    value = members.get(name)
    return value if isinstance(value, str) and value.strip() else None


def list_objects(members: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a member that is a list of objects."""
    value = members.get(name)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise CaptureFault(Message("foreign-json-list", name=name))
    return value
