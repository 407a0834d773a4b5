"""``anchor prove``: write receipts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from anchor.bag.bag_format import MANIFEST
from anchor.base.errors import ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.base.types import LogId
from anchor.cli.bag_inputs import names_evidence_bag
from anchor.cli.console import Colour, Output
from anchor.cli.context import project_session
from anchor.cli.input_files import is_folder
from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output_place import OutputPlace, open_output_place
from anchor.evidence.discovery import IntakeProblem, SourceFile, find_sources
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.record import parse_record
from anchor.operate.bundle_files import write_bundle
from anchor.operate.finality import anchored_message
from anchor.operate.proving import Prover, open_prover
from anchor.operate.receipt_files import ReceiptFolder, is_bundle_of, read_receipt, skip_receipts
from anchor.project.files import BUNDLE_SUFFIX, sidecar_path
from anchor.project.nodes import open_chain
from anchor.project.project import OpenProject
from anchor.receipt.format import Receipt, check_receipt_path
from anchor.store.evidence import find_evidence, load_all


def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files and folders whose receipts to write, each beside its file."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Write the receipts of all sealed evidence.")
    ] = False,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="With --all: write all receipts into one file.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR|FILE|URL",
            help="Folder for receipts named after the evidence; default with --all: receipts/. "
            "With --bundle: file; default: receipts.anchor.jsonl. Or a URL of an object store, "
            "s3://, gs:// or az://BUCKET/….",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the receipts that others need to verify the evidence."""
    if everything == bool(files):
        raise UsageError(Message("file-to-prove-unnamed"))
    if bundle and not everything:
        raise UsageError(Message("option-bundle-without-all"))
    output = Output(as_json=as_json)
    problems: list[IntakeProblem] = []
    with project_session(config_path, only_reads=True) as project:
        config = project.config
        if project.database.read_only_note is not None and everything and out is None:
            raise UsageError(Message("project-read-only-output"))
        prover = open_prover(project, lambda: open_chain(config, output.note), output.note)
        if bundle:
            _prove_bundle(output, project, prover, out)
            return
        if everything:
            with open_output_place(out or config.receipts, is_file=False) as place:
                written, skipped, left = _prove_all(project, prover, place)
            output.line(
                Message("receipts-written", count=len(written), folder=place.name_of(place.path))
            )
            if left:
                output.line(Message("receipts-left-final", count=left))
        else:
            written = _prove_named(output, project, prover, out, files or [], problems)
            skipped = left = 0
    if skipped:
        output.line(Message("receipt-skipped-count", count=skipped))
    described = [{"path": str(each.path), "reason": each.reason} for each in problems]
    output.result({"written": written, "skipped": skipped, "left": left, "problems": described})
    promises = sum(entry["anchors"] == 0 for entry in written)
    if promises:
        output.note(Message("receipt-promises-written", count=promises))
    if problems:
        raise typer.Exit(ExitCode.USAGE)
    if not written and not left:
        raise typer.Exit(ExitCode.NOT_FINAL)


def _prove_bundle(output: Output, project: OpenProject, prover: Prover, out: str | None) -> None:
    receipts = project.config.receipts
    location = out or receipts.with_name(receipts.name + BUNDLE_SUFFIX)
    with open_output_place(location, is_file=True) as place:
        place.fetch(place.path, lambda path: is_bundle_of(path, project.config.log))
        counts = write_bundle(project, prover, place.path)
    name = place.name_of(place.path)
    output.line(Message("bundle-written", count=counts.receipts, path=name))
    if counts.skipped:
        output.line(Message("receipt-skipped-count", count=counts.skipped))
    output.result({"bundle": name, **asdict(counts)}, kind="bundle")
    if counts.promises:
        output.note(Message("receipt-promises-written", count=counts.promises))


def _prove_all(
    project: OpenProject, prover: Prover, place: OutputPlace
) -> tuple[list[dict[str, Any]], int, int]:
    """Write the receipts; return them, the number without one, and the number left as they are."""
    written: list[dict[str, Any]] = []
    skipped = left = 0
    folder = _open_folder(project, place)
    with project.database.read() as connection:
        for evidence in load_all(connection):
            if evidence.leaf_index is None or evidence.record is None:
                skipped += 1
                continue
            receipt = prover.prove(evidence)
            path = folder.place(parse_record(receipt.record).name, receipt)
            old = check_receipt_path(path, receipt.log)
            if old is not None and prover.is_settled(old, receipt):
                left += 1
            else:
                stored = receipt.save(path, durable=False)
                written.append(_describe(place.name_of(path), stored))
    return written, skipped, left


def _open_folder(project: OpenProject, place: OutputPlace) -> ReceiptFolder:
    def is_ours(path: Path) -> bool:
        receipt = read_receipt(path)
        return receipt is not None and receipt.log == project.config.log

    return ReceiptFolder(place.path, lambda path: place.fetch(path, is_ours))


def _prove_named(
    output: Output,
    project: OpenProject,
    prover: Prover,
    out: str | None,
    files: list[Path],
    problems: list[IntakeProblem],
) -> list[dict[str, Any]]:
    """Write the receipts of files and print them; add what has none to ``problems``."""
    if out is None:
        written = _prove_files(project, prover, None, files, problems)
    else:
        with open_output_place(out, is_file=False) as place:
            written = _prove_files(project, prover, place, files, problems)
    is_by_depth = project.config.final_after is not None
    for entry in written:
        state = _describe_state(entry["anchors"], entry["state_proofs"], is_by_depth=is_by_depth)
        output.row(entry["receipt"], entry["number"], state, widths=())
    for each in problems:
        output.note(each.reason, mark=Message("receipt-not-written-mark"), colour=Colour.RED)
    return written


def _prove_files(
    project: OpenProject,
    prover: Prover,
    place: OutputPlace | None,
    files: list[Path],
    problems: list[IntakeProblem],
) -> list[dict[str, Any]]:
    """Write the receipts of files; add those in folders that have none to ``problems``."""
    written: list[dict[str, Any]] = []
    folder = None if place is None else _open_folder(project, place)
    with project.database.read() as connection:
        for file, is_named in _list_files(files, project.config.log, problems):
            # Of a bag that is evidence, its manifest was recorded.
            recorded = file / MANIFEST if names_evidence_bag(file) else file
            try:
                evidence = find_evidence(connection, recorded, digest_file(recorded))
            except UsageError as error:
                if is_named:
                    raise
                problems.append(IntakeProblem(path=file, reason=error.message))
                continue
            receipt = prover.prove(evidence)
            if place is None or folder is None:
                path = sidecar_path(file)
                written.append(_describe(str(path), receipt.save(path)))
            else:
                path, stored = folder.save(receipt)
                written.append(_describe(place.name_of(path), stored))
    return written


def _list_files(
    files: list[Path], log: LogId, problems: list[IntakeProblem]
) -> Iterator[tuple[Path, bool]]:
    """Yield each file and whether it was named, or else was found below a folder."""
    for file in files:
        if names_evidence_bag(file) or not is_folder(file):
            yield file, True
            continue
        within = list(skip_receipts(find_sources([file], follow_symlinks=False), log))
        if not within:
            raise UsageError(
                Message("folder-without-files", path=file), hint=Message("folder-to-prove-hint")
            )
        for each in within:
            if isinstance(each, SourceFile):
                yield each.path, False
            elif isinstance(each, IntakeProblem):
                reason = Message("with-reason", failure=each.path, reason=each.reason)
                problems.append(IntakeProblem(path=each.path, reason=reason))


def _describe(name: str, receipt: Receipt) -> dict[str, Any]:
    return {
        "receipt": name,
        "number": receipt.number,
        "anchors": len(receipt.anchors),
        "state_proofs": receipt.state_proof_count,
    }


def _describe_state(anchors: int, proofs: int, *, is_by_depth: bool) -> Message:
    if not anchors:
        return Message("receipt-state-promise")
    if not proofs:
        return anchored_message(is_by_depth=is_by_depth)
    if is_by_depth:
        return Message("receipt-state-proven-by-depth")
    return Message("receipt-state-proven")
