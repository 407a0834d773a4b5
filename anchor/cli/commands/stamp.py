"""``anchor stamp``: record, seal, anchor and write receipts, in one go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.cli.console import Colour, Output
from anchor.cli.context import choose_wait, open_signer, project_session
from anchor.cli.options import ConfigOption, JsonOption, WaitOption
from anchor.cli.progress_bar import show_hashing
from anchor.errors import ExitCode, UsageError
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile, find_sources
from anchor.evidence.file_hashing import FileDigest
from anchor.evidence.workers import open_executor
from anchor.operate.file_intake import IntakeResult, gather
from anchor.operate.proving import Prover
from anchor.operate.receipt_files import check_receipt_path, save_receipt
from anchor.operate.single_run import RunState, anchor_round
from anchor.operate.state_proofs import StateProofs
from anchor.project.files import RECEIPT_SUFFIX, sidecar_path
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.store.evidence import find_evidence
from anchor.system.clock import SystemClock


def command(
    files: Annotated[list[Path], typer.Argument(help="Files and folders to stamp.")],
    wait: WaitOption = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do the whole job and leave FILE.anchor.json beside each file.

    What is included but not final yet gets a promise, which `anchor upgrade` completes later.
    """
    output = Output(as_json=as_json)
    with project_session(config_path) as project, project.database.hold_lease():
        config = project.config
        gathered = _gather(project, files, output)
        _report_left_out(output, gathered)
        if not gathered.files:
            raise UsageError("there is nothing to stamp in there")
        node = open_chain(config, output.note)
        proofs = StateProofs(config, node, output.note)
        result = anchor_round(
            project,
            node,
            lambda: open_signer(config),
            SystemClock(),
            wait_for=choose_wait(config, wait),
            report=output.note,
            proofs=proofs,
        )
        written, failed = _write_sidecars(Prover(project, proofs), project, gathered.files, output)
    output.result(
        {
            "state": result.state.value,
            "receipts": written,
            "problems": [{"path": str(p.path), "reason": p.reason} for p in gathered.problems],
            "skipped": [{"path": str(s.path), "reason": s.reason} for s in gathered.skipped],
            "failed": failed,
        }
    )
    if result.state is not RunState.FINAL:
        output.note("included, not final yet: run `anchor upgrade` on the receipts later")
    if gathered.problems or failed:
        raise typer.Exit(ExitCode.USAGE)
    if result.timed_out:
        raise typer.Exit(ExitCode.NOT_FINAL)


def _gather(project: OpenProject, files: list[Path], output: Output) -> IntakeResult:
    with open_executor() as executor, show_hashing(output) as count:
        sources = _with_free_places(project, find_sources(files, follow_symlinks=False))
        return gather(project, sources, executor=executor, keep_files=True, on_done=count)


def _with_free_places(project: OpenProject, sources: Iterator[Discovered]) -> Iterator[Discovered]:
    """Leave out this log's own receipts, and refuse files whose place for a receipt is taken.

    That is known before anything is recorded or anchored.
    """
    log = project.config.log
    for source in sources:
        if not isinstance(source, SourceFile):
            yield source
            continue
        base = source.path.with_name(source.path.name.removesuffix(RECEIPT_SUFFIX))
        try:
            if (
                base != source.path
                and base.exists()
                and check_receipt_path(source.path, log) is not None
            ):
                yield Skipped(path=source.path, reason=f"it is the receipt of {base.name}")
                continue
        except (UsageError, OSError):
            pass  # not a receipt of ours, so it is evidence like any other file
        try:
            check_receipt_path(sidecar_path(source.path), log)
        except UsageError as error:
            yield IntakeProblem(path=source.path, reason=error.message)
            continue
        yield source


def _report_left_out(output: Output, gathered: IntakeResult) -> None:
    for problem in gathered.problems:
        output.note(f"{problem.path}: {problem.reason}", mark="not stamped ", colour=Colour.RED)
    for skipped in gathered.skipped:
        output.note(f"{skipped.path}: {skipped.reason}", mark="skipped ", colour=Colour.YELLOW)


def _write_sidecars(
    prover: Prover, project: OpenProject, files: tuple[FileDigest, ...], output: Output
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    written: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    with project.database.read() as connection:
        for hashed in files:
            file = hashed.source.path
            path = sidecar_path(file)
            try:
                save_receipt(path, prover.prove(find_evidence(connection, file, hashed.digests)))
            except UsageError as error:
                # Anchored all the same: the other receipts are written, this one can be later.
                output.note(f"{file}: {error.message}", mark="no receipt ", colour=Colour.RED)
                failed.append({"file": str(file), "reason": error.message})
                continue
            output.line(str(path))
            written.append({"file": str(file), "receipt": str(path)})
    return written, failed
