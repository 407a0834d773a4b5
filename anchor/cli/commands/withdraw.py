"""``anchor withdraw``: withdraw evidence, by a record in the same log."""

from __future__ import annotations

from typing import Annotated

import typer

from anchor.cli.console import Output
from anchor.cli.evidence_options import ActorOption, AtOption, ReasonOption
from anchor.cli.notice_recording import record_and_print
from anchor.cli.options import ConfigOption, JsonOption


def command(
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD",
            help="Evidence in the log: a file, its receipt, sha256:HEX, sm3:HEX, or an id.",
        ),
    ],
    reason: ReasonOption,
    actor: ActorOption = None,
    at: AtOption = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record that evidence is withdrawn, for ever.

    `anchor run` anchors it later. The evidence stays in the log. Who verifies it and has the log,
    the service or the notice's receipt is told of the withdrawal, with the reason (exit code 14).
    """
    output = Output(as_json=as_json)
    record_and_print(config_path, output, old, None, reason=reason, actor=actor, at=at)
