"""The command line: one module for each command, imported here so that ``--help`` stays quick.

Every module imports what is heavy (web3, the database) inside its command.
"""

from __future__ import annotations

import io
import sys

import typer

from anchor.cli import (
    add,
    apikey,
    audit,
    certify,
    demo,
    deploy,
    devnet,
    doctor,
    explain,
    export_log,
    init,
    key,
    log,
    operator,
    prove,
    restore,
    run,
    seal,
    serve,
    source,
    stamp,
    status,
    succeed,
    transactions,
    trust,
    upgrade,
    verifier,
    verify,
)
from anchor.cli.naming import name_commands
from anchor.cli.output import Output
from anchor.errors import AnchorError, ExitCode, UsageError

# Which extra brings a package that some commands need and a verifier may lack.
_EXTRAS = {
    "web3": "rpc",
    "requests": "rpc",
    "eth_abi": "rpc",
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

app = typer.Typer(
    name="anchor",
    help="Anchor electronic evidence on Ethereum, and verify it against the chain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _module in (
    init, devnet, deploy, source, doctor, add, seal, run, stamp, status, log, prove, upgrade,
    verify, verifier, certify, explain, export_log, audit, restore, succeed, serve, demo,
):  # fmt: skip
    app.command(name=_module.NAME)(_module.command)
app.add_typer(trust.app, name=trust.NAME)
app.add_typer(operator.app, name=operator.NAME)
app.add_typer(key.app, name=key.NAME)
app.add_typer(apikey.app, name=apikey.NAME)
app.add_typer(transactions.app, name=transactions.NAME)
name_commands(app)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version as installed_version

        print(f"anchor {installed_version('anchor-evidence')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and exit.",
        callback=_print_version,
        is_eager=True,
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line and end the process with a code of ``anchor.errors.ExitCode``."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape, never a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except AnchorError as error:
        Output(as_json="--json" in sys.argv).error(error)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        missing = UsageError(
            f"this command needs the package {error.name}, which is not installed",
            hint=f"pip install 'anchor-evidence[{extra}]'",
        )
        Output(as_json="--json" in sys.argv).error(missing)
        sys.exit(missing.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
