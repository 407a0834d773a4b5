"""Output of commands: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import Enum
from itertools import chain, repeat
from typing import Any

from anchor.base.errors import AnchorError
from anchor.base.messages.catalogue import Language, choose_language
from anchor.base.messages.message import Message, translate
from anchor.base.messages.message_json import describe_message
from anchor.cli.standard_streams import StandardOutputError, silence_output

ERROR_FORMAT = "anchor-error/1"

# The words of the running command, such as ("trust", "list").
_command: ContextVar[tuple[str, ...]] = ContextVar("command", default=())
# The language that the running command was told to use instead of the environment's.
_language: ContextVar[Language | None] = ContextVar("language", default=None)


class Colour(Enum):
    """Terminal colours, as SGR codes."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"


class Output:
    """One command's output, as text for people or as one JSON document.

    Text is in ``language``, by default the running command's; JSON documents are in English.
    """

    def __init__(self, *, as_json: bool, language: Language | None = None) -> None:
        self.as_json = as_json
        self.language = language or _language.get() or choose_language(os.environ)

    def line(self, text: Message, *, mark: str = "", colour: Colour | None = None) -> None:
        """Print one line of the result, after a coloured ``mark``; nothing in JSON mode."""
        self.text(text, mark=mark, colour=colour)

    def text(self, text: str = "", *, mark: str = "", colour: Colour | None = None) -> None:
        """Print one line of the result that needs no translation, such as a name or a hash."""
        if not self.as_json:
            print(self._compose(text, mark, colour, sys.stdout.isatty()))

    def row(
        self,
        *cells: str,
        widths: Sequence[int],
        mark: str = "",
        colour: Colour | None = None,
    ) -> None:
        """Print one line of a table: its cells in columns, two spaces apart.

        A negative width aligns its column to the right; a cell without a width is not padded.
        """
        padded = [
            pad(self.say(cell), width)
            for cell, width in zip(cells, chain(widths, repeat(0)), strict=False)
        ]
        self.text("  ".join(padded), mark=mark, colour=colour)

    def say(self, text: str) -> str:
        """Return text in the language of this output, without control characters."""
        return escape_controls(translate(text, self.language))

    def result(self, members: Mapping[str, Any], *, kind: str = "") -> None:
        """Print the JSON document, with its ``format``; nothing in text mode.

        ``kind`` distinguishes several documents of one command.
        """
        self._print({"format": document_format(kind), **members})

    def note(self, text: Message, *, mark: str = "", colour: Colour | None = None) -> None:
        """Print one line of progress to standard error."""
        print(self._compose(text, mark, colour, sys.stderr.isatty()), file=sys.stderr)

    def error(self, error: AnchorError) -> None:
        """Print an error and its hint; in JSON mode also as a document."""
        self.note_error(error)
        self.document_error(error)

    def document_error(self, error: AnchorError, document: Mapping[str, Any] | None = None) -> None:
        """Print the JSON document of an error, or another that has it; nothing in text mode.

        It is one line, as everything that a daemon prints.  If it cannot be written, the error
        stays the reason why the command ends.
        """
        if not self.as_json:
            return
        try:
            print(json.dumps(document or {"format": ERROR_FORMAT, **describe_error(error)}))
        except StandardOutputError as lost:
            self.give_up(lost)

    def give_up(self, lost: StandardOutputError) -> None:
        """Drop all further standard output, and say why unless only the reader is gone."""
        silence_output()
        if not lost.is_closed_pipe:
            self.note(Message("output-failed-work-kept", reason=lost), mark=Message("error-mark"))

    def note_error(self, error: AnchorError) -> None:
        """Print an error and its hint to standard error only."""
        self.note(error.message, mark=Message("error-mark"), colour=Colour.RED)
        if error.hint:
            self.note(error.hint, mark="  ")

    def _print(self, document: Mapping[str, Any]) -> None:
        if self.as_json:
            print(json.dumps(document, indent=1))

    def _compose(self, text: str, mark: str, colour: Colour | None, is_terminal: bool) -> str:
        mark = translate(mark, self.language)
        if mark and colour is not None and is_terminal and not os.environ.get("NO_COLOR"):
            mark = f"\x1b[{colour.value}m{mark}\x1b[0m"  # NO_COLOR: https://no-color.org
        return mark + self.say(text)


def name_command(*words: str) -> None:
    """Record the running command's words, which name the format of its JSON documents."""
    _command.set(words)


def set_language(language: Language) -> None:
    """Set the language of everything that the running command prints from now on."""
    _language.set(language)


def document_format(kind: str = "") -> str:
    """Return the ``format`` of the running command's JSON document, or of another kind of it."""
    words = (*_command.get(), kind) if kind else _command.get()
    return "-".join(("anchor", *words)) + "/1"


def describe_error(error: AnchorError) -> dict[str, Any]:
    """Return the members of a JSON document that describe an error."""
    return {
        "error": error.message,
        **describe_message(error.message),
        "hint": error.hint,
        "exit_code": int(error.exit_code),
    }


def pad(text: str, width: int) -> str:
    """Pad text to a number of columns: to the left of it if ``width`` is negative.

    A Chinese character takes two columns.
    """
    taken = sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)
    spaces = " " * (abs(width) - taken)
    return spaces + text if width < 0 else text + spaces


def escape_controls(text: str) -> str:
    """Escape control characters, which file names and foreign receipts may contain.

    Line breaks are included: a name could otherwise print lines that look like the command's own.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
