"""The command line: one module per command, imported when it runs (``command_table``)."""

from __future__ import annotations

import gc
import sys
from contextvars import copy_context
from importlib.metadata import version as installed_version
from typing import cast

import typer
from typer.exceptions import TyperException

from anchor.base.errors import AnchorError, ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.os_errors import explain_os_error
from anchor.cli.argument_errors import (
    ArgumentsError,
    describe_refusal,
    describe_usage,
    is_help,
)
from anchor.cli.command_extras import name_extras
from anchor.cli.command_table import COMMANDS
from anchor.cli.console import Output
from anchor.cli.standard_streams import StandardOutputError, guard_streams
from anchor.cli.typer_app import GroupedCommands, add_commands

_typer = typer.Typer(
    name="anchor",
    help="Anchor electronic evidence on Ethereum, and verify it against the chain.",
    no_args_is_help=True,
    cls=GroupedCommands,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"anchor {installed_version('anchor-evidence')}")
        raise typer.Exit


@_typer.callback()
def _options(
    _version: bool = typer.Option(
        False,
        "-V",
        "--version",
        help="Print the version and exit.",
        callback=_print_version,
        is_eager=True,
    ),
) -> None:
    pass


app = cast(GroupedCommands, typer.main.get_command(_typer))
add_commands(app)


def main() -> None:
    """Run the command line and end the process with a code of ``anchor.base.errors.ExitCode``."""
    guard_streams()
    try:
        code = copy_context().run(_run)
        sys.stdout.flush()
    except StandardOutputError as error:
        code = error.exit_code
        Output(as_json=False).give_up(error)
    # Garbage collection during weakref's exit handler would change the finalizers (of urllib3's
    # pools) that it iterates over, and it would print a traceback.
    gc.disable()
    sys.exit(code)


def _run() -> int:
    """Run the command and return its exit code; print an error, if any."""
    try:
        # Typer returns the code of a command's Exit, and raises errors in the arguments.
        return int(app.main(standalone_mode=False) or ExitCode.DONE)
    except SystemExit as end:
        return ExitCode.DONE if end.code is None else int(end.code)
    except TyperException as error:
        if not isinstance(error, ArgumentsError):
            raise
        return _refuse_usage(error)
    except AnchorError as error:
        return _fail(error)
    except StandardOutputError:
        raise
    except OSError as error:
        named = isinstance(error.filename, str)
        text = (
            Message("path-unusable", path=error.filename)
            if named
            else Message("machine-operation-failed")
        )
        return _fail(explain_os_error(text, error, is_named=False))
    except ModuleNotFoundError as error:
        extra = name_extras(_find_command(), (error.name or "").split(".")[0])
        if extra is None:
            raise
        return _fail(
            UsageError(
                Message("package-missing", name=error.name),
                hint=Message("package-missing-hint", extra=extra),
            )
        )
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED


def _find_command() -> str | None:
    return next((word for word in sys.argv[1:] if word in COMMANDS), None)


def _fail(error: AnchorError) -> int:
    Output(as_json=_is_json()).error(error)
    return error.exit_code


def _refuse_usage(error: ArgumentsError) -> int:
    """Print an error in the arguments, after how the command is used."""
    output = Output(as_json=_is_json())
    refusal = UsageError(describe_refusal(error))
    if is_help(error):
        output.document_error(refusal)
        error.show()
        return error.exit_code
    for line in describe_usage(error):
        output.note(line)
    output.error(refusal)
    return error.exit_code


def _is_json() -> bool:
    return "--json" in sys.argv
