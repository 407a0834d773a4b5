"""``anchor prove``: write receipts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from anchor.cli.options import ConfigOption, JsonOption
from anchor.cli.output import Output
from anchor.cli.session import open_node, project_session
from anchor.errors import AnchorError, CannotCheckError, ExitCode, UsageError

NAME = "prove"


def command(
    files: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(help="Files whose receipts to write; each goes beside its file."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Write a receipt for every piece of evidence sealed.")
    ] = False,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="Write below DIR, by evidence name. For --all: receipts/"),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the receipts with which anybody can verify the evidence."""
    from anchor.digest import digest_stream
    from anchor.pipeline.anchoring import refresh_anchors
    from anchor.pipeline.project import write_file
    from anchor.pipeline.proving import Prover
    from anchor.pipeline.receipts import ReceiptFolder, find_evidence, sidecar_path
    from anchor.receipt import encode_receipt
    from anchor.record import parse_record
    from anchor.store.evidence import load_all

    if everything == bool(files):
        raise UsageError("name the files whose receipts to write, or say --all")
    output = Output(as_json=as_json)
    written: list[dict[str, str | int]] = []
    skipped = 0
    with project_session(config_path) as project:
        config = project.config
        try:
            refresh_anchors(project, open_node(config.rpc))
        except CannotCheckError as error:
            output.note(f"{error.message}; going by what the store knew last")
        prover = Prover(project)
        folder = ReceiptFolder(out or config.receipts) if out or everything else None
        if everything:
            with project.database.read() as connection:
                chosen = [(None, item) for item in load_all(connection)]
        else:
            chosen = []
            for file in files or []:
                try:
                    with file.open("rb") as stream:
                        digests = digest_stream(stream, config.digests)
                except OSError as error:
                    raise UsageError(f"{file} cannot be read: {error.strerror}") from error
                chosen.append((file, find_evidence(project, file, digests)))
        for file, evidence in chosen:
            try:
                receipt = prover.prove(evidence)
            except AnchorError:
                if not everything:
                    raise
                skipped += 1
                continue
            if folder is not None:
                path = folder.place(parse_record(receipt.record).name, receipt)
            else:
                assert file is not None
                path = sidecar_path(file)
            write_file(path, encode_receipt(receipt), durable=not everything)
            written.append({"receipt": str(path), "anchors": len(receipt.anchors)})
            if not everything:
                output.line(f"{path}  {_state(len(receipt.anchors))}")
    if everything:
        output.line(f"wrote {len(written):,} receipts below {out or config.receipts}")
    if skipped:
        output.line(f"{skipped:,} are not sealed yet (or erased) and have none")
    output.result({"written": written, "skipped": skipped})
    if any(item["anchors"] == 0 for item in written):
        output.note("some are promises until their anchor is final: `anchor upgrade` then")
    if not written:
        raise typer.Exit(ExitCode.NOT_FINAL)


def _state(anchors: int) -> str:
    return "anchored (final)" if anchors else "promise, not anchored finally yet"
