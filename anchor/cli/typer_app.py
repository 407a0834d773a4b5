"""Typer classes for all commands: late import, names of documents, groups and help examples."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from anchor.cli.command_signatures import load_signatures
from anchor.cli.command_table import COMMANDS, EXAMPLES, GROUPS
from anchor.cli.console import name_command

_SENTENCE = 300
_HELP = {"-h", "--help"}


class NamedCommand(TyperCommand):
    """A command that names its JSON documents' ``format``, and shows examples in its help."""

    def get_short_help_str(self, limit: int = 0) -> str:
        """Return the whole sentence, which the listing wraps instead of cutting it off."""
        return super().get_short_help_str(max(limit, _SENTENCE))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the command's examples, each on a line of its own."""
        with formatter.section("Examples"):
            for example in EXAMPLES[" ".join(_list_words(ctx))]:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def invoke(self, ctx: Any) -> Any:
        """Record the command's words, and run it."""
        name_command(*_list_words(ctx))
        return super().invoke(ctx)


def _list_words(context: Any) -> list[str]:
    """Return the words of a context's command, without the program's name."""
    words: list[str] = []
    while context.parent is not None:
        words.insert(0, context.info_name)
        context = context.parent
    return words


class GroupedCommands(TyperGroup):
    """A group whose help lists its commands under the headings of ``GROUPS``."""

    def format_commands(self, _: Any, formatter: Any) -> None:
        """Write each heading, and its commands with their one-line descriptions."""
        for heading, commands in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))


class LazyCommand(TyperCommand):
    """A command with a name and a one-line description, whose module is imported when it runs."""

    def load(self, load_module: Callable[[str], ModuleType] = import_module) -> Any:
        """Import the command's module, and return the command or group that it defines."""
        module = load_module(f"anchor.cli.commands.{str(self.name).replace('-', '_')}")
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
        """Parse the arguments with the loaded command; its context runs that command."""
        if not _HELP.isdisjoint(args):
            self._show_help(info_name, args, parent)
        return self.load().make_context(info_name, args, parent, **extra)

    def _show_help(self, info_name: str | None, args: list[str], parent: Any) -> None:
        """Show the help and end the program, if that is what the arguments ask for."""
        command = self.load(load_signatures)
        # A mistake in the arguments is reported by the command itself.
        with suppress(TyperException):
            context = command.make_context(info_name, list(args), parent)
            if isinstance(command, TyperGroup):
                name, chosen, rest = command.resolve_command(context, list(args))
                assert chosen is not None  # else it has raised
                chosen.make_context(name, rest, parent=context)


def make_group(name: str) -> typer.Typer:
    """Return the Typer application of a command with subcommands."""
    return typer.Typer(
        help=COMMANDS[name], no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


def add_commands(group: TyperGroup) -> None:
    """Add every command of the table, without importing any."""
    for name, summary in COMMANDS.items():
        group.add_command(LazyCommand(name, short_help=summary))
