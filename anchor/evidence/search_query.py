"""What is searched for: parts of names, and dates; and names as they are searched."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

MAX_QUERY: Final = 200
"""The most characters of a query: as many as any number, printed with spaces, has."""
# More terms would not make a name any better known.
_MAX_TERMS: Final = 8
_DATE: Final = re.compile(
    r"([0-9]{4})[-/.年]([0-9]{1,2})(?:月|(?:[-/.月]([0-9]{1,2})日?))?", re.ASCII
)
# Latin letters and digits have few different pairs: four of them in a row count, too.
_FOUR: Final = re.compile(r"(?=([0-9a-z]{4}))")
# Bits of a filter for each different part of a name, and its fewest and most bytes.
_BITS_EACH: Final = 4
_FEWEST_BYTES: Final = 64
_MOST_BYTES: Final = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What all have that is found: ``terms`` in the name, accepted from ``since`` to ``until``.

    Both are beginnings of RFC 3339 times, or None; ``text`` is the query as it was typed.
    """

    text: str
    terms: tuple[str, ...]
    since: str | None
    until: str | None


def parse_query(text: str) -> SearchQuery:
    """Return the query in a text: terms between spaces, of which a date or a month is a time.

    Raises:
        MalformedError: It is empty, too long, or names too many terms or more than one date.
    """
    words = fold_name(text).split()
    if not words:
        raise MalformedError(Message("search-query-empty"))
    if len(text) > MAX_QUERY or len(words) > _MAX_TERMS:
        raise MalformedError(Message("search-query-too-long", limit=MAX_QUERY, terms=_MAX_TERMS))
    dates = [bounds for word in words if (bounds := _read_date(word)) is not None]
    if len(dates) > 1:
        raise MalformedError(Message("search-query-dates"))
    since, until = dates[0] if dates else (None, None)
    terms = tuple(word for word in words if _read_date(word) is None)
    return SearchQuery(text=text.strip(), terms=terms, since=since, until=until)


def fold_name(name: str) -> str:
    """Return a name as it is searched: on one line, whatever its case or width."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def build_name_filter(names: Iterable[str]) -> bytes:
    """Return a Bloom filter of all short parts of folded names."""
    parts: set[str] = set()
    for name in names:
        parts.update(_list_parts(name))
    size = min(max(_BITS_EACH * len(parts) // 8, _FEWEST_BYTES), _MOST_BYTES)
    made = bytearray(size)
    for mark in map(_mark, parts):
        bit = mark % (8 * size)
        made[bit // 8] |= 1 << bit % 8
    return bytes(made)


def list_marks(terms: Iterable[str]) -> list[int]:
    """Return the marks of folded terms, by which ``may_hold`` looks for them."""
    return sorted({_mark(part) for term in terms for part in _list_parts(term)})


def may_hold(name_filter: bytes, marks: Sequence[int]) -> bool:
    """Return False if no name in a filter has all of the terms with these marks."""
    bits = 8 * len(name_filter)
    for mark in marks:
        bit = mark % bits
        if not name_filter[bit // 8] >> bit % 8 & 1:
            return False
    return True


def _mark(part: str) -> int:
    return zlib.crc32(part.encode())


def _list_parts(text: str) -> list[str]:
    """Return all pairs of neighbouring characters, and all fours of Latin letters and digits."""
    return [*map(str.__add__, text, text[1:]), *_FOUR.findall(text)]


def find_lines(body: bytes, terms: Sequence[bytes]) -> list[int]:
    """Return the numbers of the lines, from 0, in which all of the terms are.

    Every line ends with a newline, which no term has.
    """
    if not terms:
        return list(range(body.count(b"\n")))
    longest = max(terms, key=len)
    matches: list[int] = []
    line = start = 0
    at = body.find(longest)
    while at >= 0:
        begin = body.rfind(b"\n", start, at) + 1 or start
        line += body.count(b"\n", start, begin)
        start = begin
        end = body.index(b"\n", at)
        if all(body.find(term, begin, end) >= 0 for term in terms):
            matches.append(line)
        at = body.find(longest, end)
    return matches


def _read_date(word: str) -> tuple[str, str] | None:
    """Return the first day of what a word names, and the text after its last moment."""
    parts = _DATE.fullmatch(word)
    if parts is None or not 1 <= int(parts[2]) <= 12 or not 1 <= int(parts[3] or 1) <= 31:
        return None
    month = f"{parts[1]}-{int(parts[2]):02}"
    day = month if parts[3] is None else f"{month}-{int(parts[3]):02}T"
    # Behind every digit, so behind every time that begins like this.
    return day, f"{day}~"
