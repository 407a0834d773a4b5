"""Tells the output which command runs, for every command in one place."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from anchor.cli.output import name_command


class NamedCommand(TyperCommand):
    """A command whose JSON documents have its name in their ``format``."""

    def invoke(self, ctx: Any) -> Any:
        """Note the command's words, and run it."""
        words: list[str] = []
        context = ctx
        while context.parent is not None:
            words.insert(0, context.info_name)
            context = context.parent
        name_command(*words)
        return super().invoke(ctx)


def name_commands(app: typer.Typer) -> None:
    """Make every command of ``app`` and of its groups a named one."""
    for command in app.registered_commands:
        command.cls = NamedCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            name_commands(group.typer_instance)
