"""The command line: one module per command, imported when it runs (``command_table``)."""

from __future__ import annotations

import gc
import sys
from importlib.metadata import version as installed_version
from typing import Protocol, cast, runtime_checkable

import typer
from typer.exceptions import TyperException

from anchor.cli.console import Output
from anchor.cli.standard_streams import StandardOutputError, guard_streams, silence_output
from anchor.cli.typer_app import GroupedCommands, add_commands
from anchor.errors import AnchorError, ExitCode, UsageError
from anchor.system.os_errors import explain_os_error

# The extra that installs each package that some commands need and a verifier may lack.
_EXTRAS = {
    "web3": "rpc",
    "requests": "rpc",
    "eth_abi": "rpc",
    "tomlkit": "rpc",
    "eth_account": "operator",
    "sqlalchemy": "operator",
    "alembic": "operator",
    "pydantic_settings": "operator",
    "typst": "certificate",
    "fontTools": "certificate",
    "jinja2": "certificate",
    "segno": "certificate",
    "fastapi": "service",
    "uvicorn": "service",
}

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


@runtime_checkable
class _BadArguments(Protocol):
    """An error that Typer raises for a command line that it cannot parse."""

    exit_code: int

    def format_message(self) -> str: ...
    def show(self) -> None: ...


def main() -> None:
    """Run the command line and end the process with a code of ``anchor.errors.ExitCode``."""
    guard_streams()
    try:
        code = _run()
        sys.stdout.flush()
    except StandardOutputError as error:
        code = error.exit_code
        silence_output()
        if not error.is_closed_pipe:
            Output(as_json=False).note(f"{error}; what was done stays done", mark="error: ")
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
        if not isinstance(error, _BadArguments):
            raise
        return _refuse_usage(error)
    except AnchorError as error:
        return _fail(error)
    except StandardOutputError:
        raise
    except OSError as error:
        named = isinstance(error.filename, str)
        text = f"{error.filename} cannot be used" if named else "this machine could not do it"
        return _fail(explain_os_error(text, error, is_named=False))
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        return _fail(
            UsageError(
                f"this command needs the package {error.name}, which is not installed",
                hint=f"pip install '.[{extra}]' in the checkout",
            )
        )
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED


def _fail(error: AnchorError) -> int:
    Output(as_json=_is_json()).error(error)
    return error.exit_code


def _refuse_usage(error: _BadArguments) -> int:
    """Print an error in the arguments as Typer does; in JSON mode also as a document."""
    if _is_json():
        Output(as_json=True).document_error(UsageError(error.format_message()))
    error.show()
    return error.exit_code


def _is_json() -> bool:
    return "--json" in sys.argv
