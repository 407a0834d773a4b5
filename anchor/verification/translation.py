"""What steps, claims and errors say, in Chinese.

They speak English.  ``chinese.json`` lists their sentences as pairs of templates, in which
``{name}`` stands for a value; a value that is such a sentence itself is translated, too.  Whatever
is not in the list, like a node's own words, stays as it is.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

# A report's sentences are shorter; matching a long text against many templates would take long.
_MAX_CHARACTERS = 2_000

_VALUE = re.compile(r"\{([a-z]+)\}")


def to_chinese(text: str) -> str:
    """Return a sentence of a report in Chinese, or as it is where it is none that is known."""
    if len(text) > _MAX_CHARACTERS:
        return text
    for pattern, template in _templates():
        match = pattern.fullmatch(text)
        if match:
            values = {name: to_chinese(value) for name, value in match.groupdict().items()}
            return template.format(**values)
    return text


@cache
def _templates() -> tuple[tuple[re.Pattern[str], str], ...]:
    pairs = json.loads(files(__package__).joinpath("chinese.json").read_text("utf-8"))
    return tuple((_compile(english), chinese) for english, chinese in order_templates(pairs))


def order_templates(pairs: list[list[str]]) -> list[list[str]]:
    """Return pairs of an English and a Chinese template in the order in which to try them.

    A value may be any text, so those that begin with one come last; else the longest first.
    """
    return sorted(pairs, key=lambda pair: (pair[0].startswith("{"), -len(_VALUE.sub("", pair[0]))))


def _compile(english: str) -> re.Pattern[str]:
    parts = _VALUE.split(english)
    # Texts stand at even places, the names of values between them.
    pattern = "".join(
        f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts)
    )
    return re.compile(pattern, re.DOTALL)
