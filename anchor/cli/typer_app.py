"""What Typer is told for all commands: load late, name the JSON documents, cut no summary."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from anchor.cli.command_table import COMMANDS
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


class LazyCommand(TyperCommand):
    """A command of which only the name and one line are known until it runs."""

    def load(self) -> Any:
        """Import the command's module, and return the command or group that it defines."""
        module = import_module(f"anchor.cli.commands.{str(self.name).replace('-', '_')}")
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False, rich_markup_mode=None)
            app.command(self.name)(module.command)
        for command in app.registered_commands:
            command.cls = NamedCommand
        return typer.main.get_command(app)

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Read the arguments as the loaded command does; its context runs that one."""
        return self.load().make_context(info_name, args, parent, **extra)


def make_group(name: str) -> typer.Typer:
    """Return the application of a command that has commands of its own."""
    return typer.Typer(
        help=COMMANDS[name], no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


def add_commands(group: TyperGroup) -> None:
    """Add every command of the table, none of them loaded."""
    for name, summary in COMMANDS.items():
        group.add_command(LazyCommand(name, short_help=summary))
