"""TOML files with details that an operator or issuer wrote by hand."""

from __future__ import annotations

import tomllib
from typing import Any

from anchor.errors import MalformedError
from anchor.messages.message import Message

# Ample for a hand-written file, and a limit if the path is wrong.
MAX_DETAILS_BYTES = 1 << 20
# Parsing a dotted TOML key takes time quadratic in its parts.
_MAX_DOTS = 500


def parse_details_toml(data: bytes) -> dict[str, Any]:
    """Parse the bytes of a details file.

    Raises:
        MalformedError: The bytes are too many, or are not TOML.
    """
    if len(data) > MAX_DETAILS_BYTES:
        raise MalformedError(Message("details-too-long", limit=MAX_DETAILS_BYTES))
    if any(line.count(b".") > _MAX_DOTS for line in data.splitlines()):
        raise MalformedError(Message("details-line-too-dotted", limit=_MAX_DOTS))
    try:
        return tomllib.loads(data.decode("utf-8"))
    # tomllib passes on errors of int() and of the recursion limit.
    except (ValueError, RecursionError) as error:
        raise MalformedError(Message("details-not-toml", reason=error)) from error
