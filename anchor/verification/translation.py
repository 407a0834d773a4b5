"""Translation of the sentences of steps, claims and errors from English into Chinese.

``chinese.json`` lists the sentences as pairs of templates, in which ``{name}`` stands for a value;
a value that is such a sentence itself is translated, too.  Text that is not in the list, such as a
node's own words, remains unchanged.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

# A report's sentences are shorter; matching a longer text against all templates would be slow.
_MAX_CHARACTERS = 2_000

_VALUE = re.compile(r"\{([a-z]+)\}")


def to_chinese(text: str) -> str:
    """Return a sentence of a report in Chinese; a text that is not listed is returned unchanged."""
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

    A value matches any text, so templates that begin with one come last; otherwise longest first.
    """
    return sorted(pairs, key=lambda pair: (pair[0].startswith("{"), -len(_VALUE.sub("", pair[0]))))


def _compile(english: str) -> re.Pattern[str]:
    parts = _VALUE.split(english)
    # The parts at even indices are text, those at odd indices are names of values.
    pattern = "".join(
        f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts)
    )
    return re.compile(pattern, re.DOTALL)
