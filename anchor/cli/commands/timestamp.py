"""``anchor timestamp``: have the checkpoints of final heads stamped (RFC 3161)."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.base.errors import ConfigError, ExitCode
from anchor.base.messages.message import Message
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.cli.options import ConfigOption, JsonOption
from anchor.operate.events import describe_stamping
from anchor.operate.timestamping import choose_heads, list_missing, stamp_heads


def command(
    is_all: Annotated[
        bool, typer.Option("--all", help="Stamp all final heads, not only the newest.")
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Get RFC 3161 timestamps for the checkpoints of final heads.

    Each authority of the configuration's [[tsa]] gets the SHA-256 of the signed checkpoint, and
    nothing else. Tokens are kept in the folder timestamps; a head that has one is not stamped
    again. `anchor run` does the same for each newly final head.
    """
    output = Output(as_json=as_json)
    with project_session(config_path) as project:
        config = project.config
        if not config.tsa:
            raise ConfigError(
                Message("config-tsa-missing"), hint=Message("config-tsa-missing-hint")
            )
        if len(config.tsa) == 1:
            output.note(Message("config-tsa-single"), mark=Message("warning-mark"))
        heads = choose_heads(project, is_all=is_all)
        missing = list_missing(config, heads)
    outcomes = stamp_heads(config, missing)
    for each in outcomes:
        if each.error is None:
            output.line(describe_stamping(each))
        else:
            text = Message("tsa-failed", tsa=each.tsa, reason=each.error)
            output.note(text, mark=Message("error-mark"), colour=Colour.RED)
    if not outcomes:
        output.line(Message("timestamp-nothing-missing", count=len(heads)))
    failed = [each for each in outcomes if each.error is not None]
    code = ExitCode.CANNOT_CHECK if failed else ExitCode.DONE
    output.result(
        {
            "exit_code": int(code),
            "heads": len(heads),
            "timestamps": [
                {
                    "size": each.head.size,
                    "root": each.head.root.hex(),
                    "tsa": each.tsa,
                    "file": None if each.error is not None else str(each.path),
                    "verified": each.is_verified,
                    "error": None if each.error is None else each.error.message,
                }
                for each in outcomes
            ],
        }
    )
    raise typer.Exit(code)
