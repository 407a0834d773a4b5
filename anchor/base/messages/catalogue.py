"""The catalogues of messages: one gettext file (PO) for each language, in this folder.

A ``msgid`` is a message's id, its ``msgstr`` a format template (flag ``python-brace-format``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

Language = Literal["en", "zh"]

# In the order in which gettext reads them.
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

# A string may continue on further lines.  Its escapes, \\ \" and \n, are those of JSON.
_ENTRY = re.compile(r'^msgid "([^"\n]+)"\nmsgstr ((?:".*"\n)+)', re.MULTILINE)


def choose_language(environment: Mapping[str, str]) -> Language:
    """Return Chinese if the first variable that is set asks for it, otherwise English."""
    chosen = next(filter(None, map(environment.get, _VARIABLES)), "")
    return "zh" if chosen.startswith("zh") else "en"


@cache
def load_catalogue(language: Language) -> Mapping[str, str]:
    """Return the templates of a language by id."""
    source = files(__package__).joinpath(f"{language}.po").read_text("utf-8")
    return {key: "".join(map(_read, text.splitlines())) for key, text in _ENTRY.findall(source)}


def _read(quoted: str) -> str:
    text: str = json.loads(quoted) if "\\" in quoted else quoted[1:-1]
    return text
