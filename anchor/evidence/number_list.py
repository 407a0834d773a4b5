"""Lists of printed numbers, as they are pasted or stand in a text or CSV file.

A line that is no number stays in the list as it is: whoever looks the list up says so in its place.
"""

from __future__ import annotations

import csv
import re

from anchor.errors import MalformedError
from anchor.messages.message import Message

MAX_NUMBERS = 1_000
"""The most numbers of a list: more would not be looked at by anybody."""

MAX_NUMBER_CHARACTERS = 200
"""The most characters of a number in any spelling; longer lines are no number."""

# Headings of a CSV file's column of numbers.
_HEADINGS = frozenset({"number", "编号", "存证编号", "证书编号"})
_DELIMITERS = (",", ";", "\t")
# What separates numbers on one pasted line; spaces may be within a number.
_SEPARATORS = re.compile(r"[\n,;，；、\t]")


def read_pasted(text: str) -> list[str]:
    """Return the numbers of a pasted text: one a line, or separated by commas or semicolons."""
    return _bound(_SEPARATORS.split(_unify(text)))


def read_number_file(data: bytes) -> list[str]:
    """Return the numbers of a text or CSV file: those of its column ``number``, or of its first.

    The text is UTF-8, UTF-16 with its mark, or GB 18030, as spreadsheets write it.
    """
    lines = [line for line in _unify(_decode(data)).split("\n") if line.strip()]
    delimiter = max(_DELIMITERS, key=lambda each: lines[0].count(each)) if lines else ","
    rows = [_split(line, delimiter) for line in lines]
    headings = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((place for place, name in enumerate(headings) if name in _HEADINGS), None)
    if column is not None:
        rows = rows[1:]
    place = column or 0
    return _bound([row[place] if place < len(row) else "" for row in rows])


def _unify(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace")


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line; a line that is no CSV is one cell."""
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except (csv.Error, StopIteration):
        return [line]


def _bound(texts: list[str]) -> list[str]:
    numbers = [text.strip()[: MAX_NUMBER_CHARACTERS + 1] for text in texts if text.strip()]
    if len(numbers) > MAX_NUMBERS:
        raise MalformedError(
            Message("batch-too-many", count=len(numbers), limit=MAX_NUMBERS),
            hint=Message("batch-too-many-hint"),
        )
    return numbers
