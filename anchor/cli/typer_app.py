"""What Typer is told for all commands: load late, name documents, group and show examples."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from anchor.cli.command_table import COMMANDS, EXAMPLES, GROUPS
from anchor.cli.console import name_command

_SENTENCE = 300


class NamedCommand(TyperCommand):
    """A command whose JSON documents have its name in their ``format``, and its help examples."""

    def get_short_help_str(self, limit: int = 0) -> str:
        """Return the whole sentence; the listing breaks it into lines, and nothing is cut off."""
        return super().get_short_help_str(max(limit, _SENTENCE))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the command's examples, each on a line of its own."""
        with formatter.section("Examples"):
            for example in EXAMPLES[" ".join(_list_words(ctx))]:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def invoke(self, ctx: Any) -> Any:
        """Note the command's words, and run it."""
        name_command(*_list_words(ctx))
        return super().invoke(ctx)


def _list_words(context: Any) -> list[str]:
    """Return the words of the command that a context is of, without the program's name."""
    words: list[str] = []
    while context.parent is not None:
        words.insert(0, context.info_name)
        context = context.parent
    return words


class GroupedCommands(TyperGroup):
    """A group whose help lists its commands under the headings of ``GROUPS``."""

    def format_commands(self, _: Any, formatter: Any) -> None:
        """Write each heading, and the commands under it with their lines."""
        for heading, commands in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))


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
