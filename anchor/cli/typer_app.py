"""What all commands share: their documents are named after them, their summaries are not cut."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from anchor.cli.console import name_command

_SENTENCE = 300


class NamedCommand(TyperCommand):
    """A command whose JSON documents have its name in their ``format``."""

    def get_short_help_str(self, limit: int = 0) -> str:
        """Return the whole sentence; the listing breaks it into lines, and nothing is cut off."""
        return super().get_short_help_str(max(limit, _SENTENCE))

    def invoke(self, ctx: Any) -> Any:
        """Note the command's words, and run it."""
        words: list[str] = []
        context = ctx
        while context.parent is not None:
            words.insert(0, context.info_name)
            context = context.parent
        name_command(*words)
        return super().invoke(ctx)


class NamedGroup(TyperGroup):
    """A group of commands, with its whole summary."""

    def get_short_help_str(self, limit: int = 0) -> str:
        """Return the whole sentence, as a command does."""
        return super().get_short_help_str(max(limit, _SENTENCE))


def name_commands(app: typer.Typer) -> None:
    """Make every command of ``app`` and of its groups a named one."""
    for command in app.registered_commands:
        command.cls = NamedCommand
    for group in app.registered_groups:
        group.cls = NamedGroup
        if group.typer_instance is not None:
            name_commands(group.typer_instance)
