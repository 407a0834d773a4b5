"""A message as members of a JSON document, for programs that react to it or reword it."""

from __future__ import annotations

import math
from typing import Any

from anchor.base.messages.message import Message


def describe_message(text: str) -> dict[str, Any]:
    """Return the members ``id`` and ``operands``; text that is not a message has no id.

    Finite numbers stay numbers; every other operand becomes the text used in the sentence.
    """
    if not isinstance(text, Message):
        return {"id": None, "operands": {}}
    return {
        "id": text.id,
        "operands": {name: _describe(value) for name, value in text.operands.items()},
    }


def _describe(value: object) -> str | int | float:
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
