"""``anchor run --once``: seal and anchor what is waiting."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from anchor.cli.options import ConfigOption, JsonOption, WaitOption
from anchor.cli.output import Output
from anchor.cli.session import (
    SystemClock,
    choose_wait,
    open_node,
    open_signer,
    project_session,
)
from anchor.errors import ExitCode, UsageError

NAME = "run"


def command(
    once: Annotated[
        bool, typer.Option("--once", help="Do it once and end; there is no daemon yet.")
    ] = False,
    wait: WaitOption = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Seal what was added, anchor the newest head and wait until the chain has it."""
    from anchor.pipeline.round import anchor_round
    from anchor.store.lock import hold_lock

    if not once:
        raise UsageError("say --once: this version has no daemon")
    output = Output(as_json=as_json)
    with project_session(config_path) as project, hold_lock(project.config.lock):
        config = project.config
        result = anchor_round(
            project,
            open_node(config.rpc),
            lambda: open_signer(config),
            SystemClock(),
            wait_for=choose_wait(config, wait),
            report=output.note,
        )
    members: dict[str, Any] = {"sealed": result.sealed, "state": result.state.value}
    if result.anchored is None:
        output.line("the log is empty: add evidence with `anchor add`")
    else:
        anchored = result.anchored
        output.line(
            f"sealed {result.sealed:,} leaves; the log's head has {anchored.head.size:,}, "
            f"root {anchored.head.root.hex()}"
        )
        output.line(
            f"anchor {anchored.sequence} in block {anchored.block_number}: {result.state.value}"
        )
        members |= {
            "size": anchored.head.size,
            "root": anchored.head.root.hex(),
            "sequence": anchored.sequence,
            "block_number": anchored.block_number,
            "timestamp": anchored.timestamp,
        }
    output.result(members)
    if result.timed_out:
        output.note("not final within the time the configuration allows; it stays included")
        raise typer.Exit(ExitCode.NOT_FINAL)
