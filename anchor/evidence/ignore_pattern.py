"""The patterns of gitignore(5), matched byte by byte as git does.

Whoever made a folder also made its .gitignore files: nothing in them may cost more than reading
them.  In the regular expression of a pattern each wildcard therefore takes the shortest match, and
never another one: names have one place at which the rest can match best.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.evidence.checksums import decode_name

# The largest .gitignore files of well-known projects have some hundreds of lines.
MAX_BYTES: Final = 262_144
MAX_LINES: Final = 4_096

_BOM: Final = b"\xef\xbb\xbf"
_SLASH: Final = ord("/")
_SPECIAL: Final = re.compile(rb"[*?\[\\]")
_STARS: Final = re.compile(rb"\*+")
_ANY_FOLDERS: Final = b"(?:[^/]*/)*?"
_CLASSES: Final = {
    b"alnum": rb"[A-Za-z0-9]",
    b"alpha": rb"[A-Za-z]",
    b"blank": rb"[ \t]",
    b"cntrl": rb"[\0-\x1f\x7f]",
    b"digit": rb"[0-9]",
    b"graph": rb"[!-~]",
    b"lower": rb"[a-z]",
    b"print": rb"[ -~]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    b"space": rb"[ \t-\r]",
    b"upper": rb"[A-Z]",
    b"xdigit": rb"[0-9A-Fa-f]",
}


class _ImpossibleError(Exception):
    """The pattern can match nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnorePattern:
    """One pattern of ``source``: a .gitignore file, or an option."""

    text: str
    source: str
    negated: bool
    for_folders: bool
    # A pattern without a slash is compared with the name alone.
    for_names: bool
    expression: re.Pattern[bytes]

    @classmethod
    def parse(cls, raw: bytes, source: str) -> Self | None:
        """Return the pattern; None if it can match nothing."""
        body = raw.removeprefix(b"!")
        glob = body.removesuffix(b"/")
        try:
            expression = _translate(glob.removeprefix(b"/"))
        except _ImpossibleError:
            return None
        return cls(
            text=decode_name(raw),
            source=source,
            negated=body != raw,
            for_folders=glob != body,
            for_names=b"/" not in glob,
            expression=re.compile(expression, re.DOTALL),
        )

    def matches(self, path: bytes, *, is_folder: bool) -> bool:
        """Return whether ``path``, from where the pattern applies, is meant itself."""
        if self.for_folders and not is_folder:
            return False
        return bool(self.expression.fullmatch(path, path.rfind(b"/") + 1 if self.for_names else 0))


def parse_gitignore(data: bytes, source: str) -> tuple[IgnorePattern, ...]:
    """Return the patterns of a .gitignore file.

    Raises:
        MalformedError: The file has more than ``MAX_BYTES`` or ``MAX_LINES``.
    """
    lines = data.removeprefix(_BOM).split(b"\n")
    if len(data) > MAX_BYTES or len(lines) > MAX_LINES:
        raise MalformedError(Message("gitignore-too-large", limit=MAX_BYTES, lines=MAX_LINES))
    parsed = (
        IgnorePattern.parse(_trim(line.removesuffix(b"\r").partition(b"\0")[0]), source)
        for line in lines
        if not line.startswith(b"#")
    )
    return tuple(pattern for pattern in parsed if pattern is not None)


def _trim(line: bytes) -> bytes:
    """Return a line without the spaces at its end, unless a backslash is before them."""
    place = end = 0
    while place < len(line):
        if line[place] == ord(" "):
            place += 1
        else:
            place = end = place + (2 if line[place] == ord("\\") else 1)
    return line[:end]


def _translate(glob: bytes) -> bytes:
    if not glob:
        raise _ImpossibleError
    special = _SPECIAL.search(glob)
    if special is None:
        return re.escape(glob)
    # As git does, which compares what is before the first wildcard by itself: "a**/b" is then "a"
    # and "**/b".
    groups: list[bytes] = [re.escape(glob[: special.start()])]
    begun = b""  # how the group began that is being read
    group = b""
    rest = b""  # what has to follow the last * of the group
    is_starred = False

    def end_star() -> None:
        nonlocal group, rest, is_starred
        group += b"(?>[^/]*?%s)" % rest if is_starred else rest
        rest, is_starred = b"", False

    for token in _tokens(glob[special.start() :]):
        if token == b"**/":
            end_star()
            groups.append(b"(?>%s%s)" % (begun, group))
            begun, group = _ANY_FOLDERS, b""
        elif token == b"**":
            end_star()
            return b"".join(groups) + b"(?>%s%s).*" % (begun, group)
        elif token == b"*":
            end_star()
            is_starred = True
        else:
            rest += token
    rest += rb"\Z"
    end_star()
    return b"".join(groups) + begun + group


def _tokens(glob: bytes) -> Iterator[bytes]:
    """Yield ``*``, ``**/``, ``**`` at the end, and an expression for each other byte."""
    place = 0
    while place < len(glob):
        character = glob[place : place + 1]
        if stars := _STARS.match(glob, place):
            follows = glob[stars.end() : stars.end() + 1]
            is_deep = (
                len(stars[0]) > 1 and glob[:place][-1:] in (b"", b"/") and follows in (b"", b"/")
            )
            yield b"**" + follows if is_deep else b"*"
            place = stars.end() + (is_deep and follows == b"/")
        elif character == b"[":
            members, place = _parse_set(glob, place + 1)
            yield _translate_set(members)
        elif character == b"?":
            yield b"[^/]"
            place += 1
        else:
            place += character == b"\\"
            yield re.escape(_take(glob, place))
            place += 1


def _parse_set(glob: bytes, place: int) -> tuple[set[int], int]:
    """Return the bytes that a set in brackets allows, and the place after it."""
    negated = _take(glob, place) in b"!^"
    place += negated
    members: set[int] = set()
    before = -1  # the byte that may begin a range
    is_first = True
    while is_first or glob[place : place + 1] != b"]":
        is_first = False
        character = _take(glob, place)
        following = glob[place + 1 : place + 2]
        if character == b"-" and before >= 0 and following not in (b"", b"]"):
            place += 1 + (following == b"\\")
            members |= set(range(before, ord(_take(glob, place)) + 1))
            before = -1
        elif character == b"[" and following == b":" and (end := _find_class(glob, place)):
            name = glob[place + 2 : end - 1]
            if name not in _CLASSES:
                raise _ImpossibleError
            named = re.compile(_CLASSES[name])
            members |= {value for value in range(128) if named.match(bytes([value]))}
            place, before = end, -1
        else:
            place += character == b"\\"
            before = ord(_take(glob, place))
            members.add(before)
        place += 1
    return set(range(256)) - members if negated else members, place + 1


def _find_class(glob: bytes, place: int) -> int:
    """Return where the ``]`` of a ``[:class:]`` is, which begins at ``place``; 0 if it is none."""
    end = glob.find(b"]", place + 2)
    if end < 0:
        raise _ImpossibleError
    return end if end > place + 2 and glob[end - 1 : end] == b":" else 0


def _translate_set(members: set[int]) -> bytes:
    ranges = b""
    first: int | None = None
    for value in range(257):
        is_member = value in members and value != _SLASH
        if is_member and first is None:
            first = value
        elif not is_member and first is not None:
            ranges += rb"\x%02x-\x%02x" % (first, value - 1)
            first = None
    return b"[%s]" % ranges if ranges else b"(?!)"


def _take(glob: bytes, place: int) -> bytes:
    if place >= len(glob):
        raise _ImpossibleError
    return glob[place : place + 1]
