"""All commands, as the program defines them."""

from __future__ import annotations

from typing import Any

from anchor.cli import app
from anchor.cli.typer_app import LazyCommand


def list_commands() -> dict[str, bool]:
    """Return every command by its words, and whether it has ``--json``."""
    found: dict[str, bool] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        command = command.load() if isinstance(command, LazyCommand) else command
        inner = getattr(command, "commands", {})
        for name, each in inner.items():
            walk(each, (*words, name))
        if not inner:
            found[" ".join(words)] = any("--json" in each.opts for each in command.params)

    walk(app, ())
    return found
