"""The manual pages, one for each command of ``anchor``, from the same model as its help."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from anchor.cli import app
from anchor.cli.command_signatures import load_signatures
from anchor.cli.command_table import COMMANDS, EXAMPLES, GROUPS
from anchor.cli.typer_app import LazyCommand
from anchor.base.errors import ExitCode

# No date and no version: a page changes only where its command does.
_HEADER = '.TH {title} 1 "" "anchor" "User commands"\n'


def find_command(words: str) -> tuple[Any, Any]:
    """Return a command, loaded anew, and its context."""
    settings: dict[str, Any] = {**app.context_settings, "terminal_width": 78}
    command: Any = app
    context = command.context_class(command, info_name="anchor", **settings)
    for word in words.split():
        command = command.commands[word]
        command = command.load(load_signatures) if isinstance(command, LazyCommand) else command
        context = command.context_class(command, info_name=word, parent=context, terminal_width=78)
    return command, context


def write_manual() -> dict[str, str]:
    """Return the text of each page by its file name."""
    pages = {f"anchor-{name}.1": write_page(name) for name in COMMANDS}
    return pages | {"anchor.1": write_overview()}


def write_overview() -> str:
    """Return the page of ``anchor`` itself: its commands by group, and the exit codes."""
    command, context = find_command("")
    parts = [_HEADER.format(title="ANCHOR"), _section("NAME", escape(f"anchor - {app.help}"))]
    parts.append(_section("SYNOPSIS", f"{_bold('anchor')} COMMAND [options]"))
    parts.append(".SH COMMANDS\n")
    for heading, commands in GROUPS.items():
        parts.append(f'.SS "{escape(heading)}"\n')
        parts += (_entry(f"anchor-{name}(1)", text) for name, text in commands.items())
    parts.append(_section("OPTIONS", "".join(_write_records(command, context, "option"))))
    parts.append(".SH EXIT STATUS\n")
    parts += (_entry(str(int(code)), code.meaning) for code in ExitCode)
    parts.append(_see_also(f"anchor-{name}" for name in COMMANDS))
    return "".join(parts)


def write_page(name: str) -> str:
    """Return the page of a command, with all of its subcommands."""
    command, context = find_command(name)
    parts = [_HEADER.format(title=f"ANCHOR-{name.upper()}")]
    parts.append(_section("NAME", escape(f"anchor-{name} - {COMMANDS[name]}")))
    children = [words for words in EXAMPLES if words.split()[0] == name and words != name]
    if not children:
        parts.append(_section("SYNOPSIS", _write_synopsis(command, context)))
        parts.append(_section("DESCRIPTION", _write_help(command)))
        parts += _write_parameters(command, context, ".SH {}\n")
        parts.append(_section("EXAMPLES", _write_examples(name)))
    else:
        synopses = (_write_synopsis(*find_command(words)) for words in children)
        parts.append(_section("SYNOPSIS", ".br\n".join(synopses)))
        parts.append(_section("DESCRIPTION", _write_help(command)))
        for words in children:
            child, inner = find_command(words)
            parts.append(f'.SH "ANCHOR {escape(words.upper())}"\n{_write_help(child)}')
            parts += _write_parameters(child, inner, ".SS {}\n")
            parts.append(f".SS Examples\n{_write_examples(words)}")
    parts.append(_see_also(["anchor"]))
    return "".join(parts)


def escape(text: str) -> str:
    """Return text in roff, in which a backslash, a hyphen and a first dot mean something else."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


def _write_synopsis(command: Any, context: Any) -> str:
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    return f"{_bold(context.command_path)} {escape(' '.join(('[options]', *pieces)))}\n"


def _write_help(command: Any) -> str:
    paragraphs = re.split(r"\n\s*\n", command.help.strip())
    return ".PP\n".join(f"{escape(' '.join(each.split()))}\n" for each in paragraphs)


def _write_parameters(command: Any, context: Any, heading: str) -> Iterator[str]:
    for kind, title in (("argument", "ARGUMENTS"), ("option", "OPTIONS")):
        if entries := list(_write_records(command, context, kind)):
            yield heading.format(title if ".SH" in heading else title.capitalize())
            yield from entries


def _write_records(command: Any, context: Any, kind: str) -> Iterator[str]:
    for param in command.params:
        record = param.get_help_record(context)
        if record and param.param_type_name == kind:
            is_option = kind == "option"
            yield _entry(record[0] if is_option else param.metavar or param.name, record[1])


def _write_examples(words: str) -> str:
    return ".nf\n" + "".join(f"{escape(example)}\n" for example in EXAMPLES[words]) + ".fi\n"


def _entry(term: str, text: str) -> str:
    return f".TP\n{_bold(term)}\n{escape(' '.join(text.split()))}\n"


def _section(title: str, body: str) -> str:
    return f".SH {title}\n{body.rstrip()}\n"


def _bold(text: str) -> str:
    return f"\\fB{escape(text)}\\fR"


def _see_also(names: Iterable[str]) -> str:
    return _section("SEE ALSO", ",\n".join(f"{_bold(name)}(1)" for name in names))
