"""Foreign text on a page: names are whatever somebody called a file."""

from __future__ import annotations

import unicodedata

# More marks on one letter than any script writes; a heap of them covers the lines around.
_MAX_MARKS = 2


def show_text(text: str, most: int) -> str:
    """Return ``text`` with what is invisible spelled out, and its middle left out if too long.

    Controls, overrides of direction and whatever else has no shape of its own become escapes
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
    """Spell a character by its code point."""
    return f"\\u{{{ord(character):x}}}"
