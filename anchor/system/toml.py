"""Text as TOML writes it."""

from __future__ import annotations

from anchor.errors import MalformedError


def format_toml_string(text: str) -> str:
    """Spell ``text`` as a TOML basic string.

    Raises:
        MalformedError: it holds what cannot be printed.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        raise MalformedError("a value holds a character that cannot be printed")
    return f'"{escaped}"'
