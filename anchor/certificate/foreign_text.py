"""Safe display of foreign text, such as file names, which may contain any characters."""

from __future__ import annotations

import unicodedata

# More combining marks than any script uses on one letter; many would cover adjacent lines.
_MAX_MARKS = 2


def show_text(text: str, most: int) -> str:
    """Return ``text`` with invisible characters escaped, and its middle left out if too long.

    Control characters, direction overrides and other characters without a glyph become escapes
    (a backslash, ``u{202e}``), so that a name cannot look like another one.
    """
    shown = text if len(text) <= most else f"{text[: most * 2 // 3]} … {text[-(most // 3) :]}"
    marks = 0
    pieces = []
    for character in shown:
        is_mark = unicodedata.category(character) in ("Mn", "Me")
        marks = marks + 1 if is_mark else 0
        is_shown = character.isprintable() or unicodedata.category(character) == "Zs"
        pieces.append(character if is_shown and marks <= _MAX_MARKS else escape(character))
    return "".join(pieces)


def escape(character: str) -> str:
    """Return the escape of a character, with its code point in hex."""
    return f"\\u{{{ord(character):x}}}"
