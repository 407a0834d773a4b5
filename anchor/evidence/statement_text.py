"""The values of statements: one printable line of text, a digest, a time in UTC."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from anchor.base.messages.message import Message

# A statement is a sentence or a paragraph; a longer text should be an exhibit of its own.
MAX_CHARACTERS = 1_000
# Control and format characters (including direction overrides), surrogates, unassigned, line ends.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_DIGEST = r"^[0-9a-f]{64}$"
TIME_PATTERN = r"^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z$"


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError(Message("details-member-empty"))
    if any(unicodedata.category(character) in _UNPRINTABLE for character in text):
        raise ValueError(Message("details-member-unprintable"))
    return text


def fit_statement(text: str) -> str | None:
    """Return a text as a statement of one line; None if it cannot be one."""
    line = " ".join(text.split())
    try:
        return _check_text(line) if len(line) <= MAX_CHARACTERS else None
    except ValueError:
        return None


def _check_digest(text: str) -> str:
    if not re.fullmatch(_DIGEST, text, re.ASCII) or text.endswith("\n"):
        raise ValueError(Message("group-digest-malformed"))
    return text


def _check_time(text: str) -> str:
    # Python 3.14 accepts hour 24, which RFC 3339 does not allow.
    if not re.fullmatch(TIME_PATTERN, text, re.ASCII) or text.endswith("\n"):
        raise ValueError(Message("group-time-malformed"))
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(Message("group-time-no-date")) from None
    return text


def is_time(text: str) -> bool:
    """Return whether a text is a time as ``TimeText`` takes it."""
    try:
        return bool(_check_time(text))
    except ValueError:
        return False


StatementText = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(_check_text)]
"""A statement that is not blank and has only printable characters."""

DigestText = Annotated[
    str, Field(json_schema_extra={"pattern": _DIGEST}), AfterValidator(_check_digest)
]
"""A digest of 32 bytes as 64 lower-case hex digits."""
TimeText = Annotated[
    str, Field(json_schema_extra={"pattern": TIME_PATTERN}), AfterValidator(_check_time)
]
"""A time in UTC (RFC 3339)."""
