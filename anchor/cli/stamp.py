"""``anchor stamp``: record, seal, anchor and write receipts, in one go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchor.cli.options import ConfigOption, JsonOption, WaitOption
from anchor.cli.output import Colour, Output
from anchor.cli.session import (
    SystemClock,
    choose_wait,
    open_node,
    open_signer,
    project_session,
)
from anchor.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from anchor.intake import Hashed
    from anchor.pipeline.project import Project

NAME = "stamp"


def command(
    files: Annotated[list[Path], typer.Argument(help="Files and folders to stamp.")],
    wait: WaitOption = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do the whole job and leave FILE.anchor.json beside each file."""
    from anchor.executor import open_executor
    from anchor.filenames import RECEIPT_SUFFIX
    from anchor.intake import find_sources
    from anchor.pipeline.gathering import gather
    from anchor.pipeline.round import State, anchor_round
    from anchor.store.lock import hold_lock

    output = Output(as_json=as_json)
    with project_session(config_path) as project, hold_lock(project.config.lock):
        config = project.config
        with open_executor() as executor, output.progress("hashing") as progress:
            # A second run over a folder meets the receipts of the first: they are no evidence.
            found = (
                item
                for item in find_sources(files, follow_symlinks=False)
                if not item.path.name.endswith(RECEIPT_SUFFIX)
            )
            gathered = gather(project, found, executor=executor, on_done=progress.advance)
        for problem in gathered.problems:
            output.note(f"{problem.path}: {problem.reason}", mark="not stamped ", colour=Colour.RED)
        if not gathered.files:
            raise UsageError("there is nothing to stamp in there")
        done = anchor_round(
            project,
            open_node(config.rpc),
            lambda: open_signer(config),
            SystemClock(),
            wait_for=choose_wait(config, wait),
            report=output.note,
        )
        written = _write_sidecars(project, gathered.files, output)
    output.result(
        {
            "state": done.state.value,
            "receipts": written,
            "problems": [{"path": str(p.path), "reason": p.reason} for p in gathered.problems],
        }
    )
    if done.state is not State.FINAL:
        output.note("included, not final yet: run `anchor upgrade` on the receipts later")
    if gathered.problems:
        raise typer.Exit(ExitCode.USAGE)
    if done.timed_out:
        raise typer.Exit(ExitCode.NOT_FINAL)


def _write_sidecars(
    project: Project, files: tuple[Hashed, ...], output: Output
) -> list[dict[str, Any]]:
    from anchor.filenames import sidecar_path
    from anchor.pipeline.project import write_file
    from anchor.pipeline.proving import Prover
    from anchor.pipeline.receipts import find_evidence
    from anchor.receipt import encode_receipt

    prover = Prover(project)
    written: list[dict[str, Any]] = []
    with project.database.read() as connection:
        for hashed in files:
            file = hashed.source.path
            receipt = prover.prove(find_evidence(connection, file, hashed.digests))
            path = sidecar_path(file)
            write_file(path, encode_receipt(receipt))
            output.line(str(path))
            written.append({"file": str(file), "receipt": str(path)})
    return written
