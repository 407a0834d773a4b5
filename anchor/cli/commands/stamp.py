"""``anchor stamp``: record, seal, anchor and write receipts in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import anchor
from anchor.base.errors import ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.cli.console import Colour, Output
from anchor.cli.context import ProjectKey, choose_wait, project_session
from anchor.cli.options import ConfigOption, JsonOption, NotBeforeOption, WaitOption
from anchor.cli.progress_bar import show_hashing
from anchor.evidence.discovery import IntakeProblem, Skipped
from anchor.operate.finality import build_finality_json
from anchor.operate.single_run import RunState
from anchor.project.files import sidecar_path


def command(
    files: Annotated[list[Path], typer.Argument(help="Files and folders to stamp.")],
    wait: WaitOption = None,
    not_before: NotBeforeOption = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record files, anchor them and write their receipts, all in one command.

    If the anchor is included but not final yet, the receipt is only a promise; `anchor upgrade`
    completes it later.
    """
    output = Output(as_json=as_json)
    with (
        project_session(config_path) as opened,
        anchor.Project(opened, report=output.note) as project,
        project.lead(),
    ):
        added, problems, skipped = _add(output, project, files, not_before)
        if not added:
            raise UsageError(Message("stamp-files-not-found"))
        result = project.run_once(
            signer=ProjectKey(project.config), wait=choose_wait(project.config, wait)
        )
        written, failed = _write_beside(output, project, added)
    output.result(
        {
            "state": result.state.value,
            **build_finality_json(project.config),
            "receipts": written,
            "problems": [{"path": str(p.path), "reason": p.reason} for p in problems],
            "skipped": [{"path": str(s.path), "reason": s.reason} for s in skipped],
            "failed": failed,
        }
    )
    if result.state is not RunState.FINAL:
        output.note(Message("stamp-not-final"))
    if problems or failed:
        raise typer.Exit(ExitCode.USAGE)
    if result.timed_out:
        raise typer.Exit(ExitCode.NOT_FINAL)


def _add(
    output: Output, project: anchor.Project, files: list[Path], not_before: bool | None
) -> tuple[list[anchor.Added], list[IntakeProblem], list[Skipped]]:
    problems: list[IntakeProblem] = []
    skipped: list[Skipped] = []

    def note_left_out(path: IntakeProblem | Skipped) -> None:
        if isinstance(path, IntakeProblem):
            problems.append(path)
            output.note(
                Message("with-reason", failure=path.path, reason=path.reason),
                mark=Message("evidence-not-stamped-mark"),
                colour=Colour.RED,
            )
        else:
            skipped.append(path)
            output.note(
                Message("with-reason", failure=path.path, reason=path.reason),
                mark=Message("skipped-mark"),
                colour=Colour.YELLOW,
            )

    with show_hashing(output) as count:
        added = project.add(
            files,
            beside=True,
            not_before=not_before,
            on_left_out=note_left_out,
            on_progress=count,
        )
    return added, problems, skipped


def _write_beside(
    output: Output, project: anchor.Project, added: list[anchor.Added]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    written: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []

    def note_failure(piece: anchor.Added, error: UsageError) -> None:
        # The evidence is anchored nevertheless: this receipt can be written later.
        output.note(
            Message("with-reason", failure=piece.path, reason=error.message),
            mark=Message("receipt-not-written-mark"),
            colour=Colour.RED,
        )
        failed.append({"file": str(piece.path), "reason": error.message})

    for piece, receipt in project.receipts(added, on_failure=note_failure):
        assert piece.path is not None, "files alone are stamped"
        path = sidecar_path(piece.path)
        try:
            receipt.save(path)
        except UsageError as error:
            note_failure(piece, error)
            continue
        output.text(str(path))
        written.append({"file": str(piece.path), "receipt": str(path)})
    return written, failed
