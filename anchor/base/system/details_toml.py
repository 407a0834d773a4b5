"""TOML files with details that an operator or issuer wrote by hand."""

from __future__ import annotations

from typing import Any

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.toml_text import parse_toml

# Ample for a hand-written file, and a limit if the path is wrong.
MAX_DETAILS_BYTES = 1 << 20
# Parsing a dotted TOML key takes time quadratic in its parts.
_MAX_DOTS = 500
# Far more than any details have; what walks through them calls itself for each level.
_MAX_LEVELS = 32


def parse_details_toml(data: bytes) -> dict[str, Any]:
    """Parse the bytes of a details file."""
    if len(data) > MAX_DETAILS_BYTES:
        raise MalformedError(Message("details-too-long", limit=MAX_DETAILS_BYTES))
    if any(line.count(b".") > _MAX_DOTS for line in data.splitlines()):
        raise MalformedError(Message("details-line-too-dotted", limit=_MAX_DOTS))
    try:
        details = parse_toml(data)
    except MalformedError as error:
        raise MalformedError(Message("details-not-toml", reason=error.message)) from error
    _check_levels(details)
    return details


def _check_levels(details: dict[str, Any]) -> None:
    level: list[Any] = [details]
    for _ in range(_MAX_LEVELS):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [value for each in inner for value in each if isinstance(value, dict | list)]
        if not level:
            return
    raise MalformedError(Message("details-too-deep", limit=_MAX_LEVELS))
