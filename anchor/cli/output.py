"""How commands speak: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, Protocol

from anchor.errors import AnchorError


class Colour(Enum):
    """Terminal colours, as SGR codes."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"


class Progress(Protocol):
    """Counts what is done."""

    def advance(self, files: int, size: int) -> None: ...


class Output:
    """One command's output, as text for people or as one JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: str = "", *, mark: str = "", colour: Colour | None = None) -> None:
        """Print one line of the result, after a coloured ``mark``; nothing in JSON mode."""
        if not self.as_json:
            print(_compose(text, mark, colour, sys.stdout.isatty()))

    def result(self, members: dict[str, Any]) -> None:
        """Print the JSON document; nothing in text mode."""
        if self.as_json:
            print(json.dumps(members, indent=1))

    def note(self, text: str, *, mark: str = "", colour: Colour | None = None) -> None:
        """Print one line about what is going on."""
        print(_compose(text, mark, colour, sys.stderr.isatty()), file=sys.stderr)

    def error(self, error: AnchorError, *, known: Mapping[str, Any] | None = None) -> None:
        """Print what went wrong and what to do; in JSON mode as a document, too, with ``known``."""
        members = {"error": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}
        self.result({**(known or {}), **members})
        self.note(error.message, mark="error: ", colour=Colour.RED)
        if error.hint:
            self.note(f"  {error.hint}")

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show how many files and bytes are done, on a terminal only."""
        if self.as_json or not sys.stderr.isatty():
            yield _Silent()
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,} files, {task.fields[size]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=None, size="0 B")
            yield _Bar(bar, task)


class _Silent:
    def advance(self, files: int, size: int) -> None:
        """Count nothing."""


class _Bar:
    def __init__(self, bar: Any, task: Any) -> None:
        self._bar = bar
        self._task = task
        self._size = 0

    def advance(self, files: int, size: int) -> None:
        """Move the bar."""
        self._size += size
        self._bar.update(self._task, advance=files, size=human_size(self._size))


def human_size(size: int) -> str:
    """Spell a number of bytes for people."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def _compose(text: str, mark: str, colour: Colour | None, is_terminal: bool) -> str:
    if mark and colour is not None and is_terminal and not os.environ.get("NO_COLOR"):
        mark = f"\x1b[{colour.value}m{mark}\x1b[0m"  # NO_COLOR: https://no-color.org
    return mark + escape_controls(text)


def escape_controls(text: str) -> str:
    """Make control characters visible: file names and foreign receipts may hold any.

    Line breaks too, or a name could print lines of its own that look like ours.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
