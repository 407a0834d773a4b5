"""``anchor verify``: check evidence against the chain."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anchor.cli.console import Colour, Output, set_language
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.options import (
    AcceptUnpinnedOption,
    BlockHashOption,
    ChainIdOption,
    ConfigOption,
    JsonOption,
    OfflineOption,
    QuorumOption,
    RpcOption,
    TrustOption,
)
from anchor.cli.progress_bar import show_hashing
from anchor.cli.report_text import print_policies, print_report, print_summary
from anchor.errors import AnchorError, ExitCode, UsageError
from anchor.messages.catalogue import Language
from anchor.messages.message import Message
from anchor.verification.report import severest_code
from anchor.verification.report_json import (
    FileDocument,
    UnreadFileDocument,
    VerificationDocument,
    describe_problem,
    describe_report,
)


def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files to verify, each with its receipt FILE.anchor.json; - is standard input."
        ),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(metavar="RECEIPT", help="Receipt to use, if it is not beside the file."),
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option(
            metavar="ALGORITHM:HEX",
            help="Digest to verify instead of a file: sha256:HEX or sm3:HEX.",
        ),
    ] = None,
    trust: TrustOption = None,
    rpc: RpcOption = None,
    quorum: QuorumOption = None,
    block_hash: BlockHashOption = None,
    offline: OfflineOption = False,
    chain_id: ChainIdOption = None,
    accept_unpinned: AcceptUnpinnedOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print one line per file.")] = False,
    all_steps: Annotated[
        bool, typer.Option("--steps", help="Print all ten steps and nine claims.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="en|zh",
            help="Language of the text report; default: set by the environment.",
        ),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify that files are unchanged since they were anchored.

    The exit code is that of the most severe result, in this order: 10 mismatch, 12 not trusted, 11
    not anchored, 13 abandoned, 2 malformed, 22 unknown version, 20 cannot tell, 21 not final yet, 0
    verified.
    """
    if bool(files) == (digest is not None):
        raise UsageError(Message("file-to-verify-unnamed"))
    if language is not None:
        set_language(_parse_language(language))
    if offline and (rpc or quorum):
        raise UsageError(Message("option-offline-with-nodes"))
    if receipt is not None and files is not None and len(files) > 1:
        raise UsageError(Message("option-receipt-misplaced"))
    if (files or []).count(Path("-")) > 1:
        raise UsageError(Message("input-standard-twice"))
    if quiet and all_steps:
        raise UsageError(Message("option-quiet-with-steps"))
    output = Output(as_json=as_json)
    inputs = VerificationInputs(
        config_path=config_path,
        trust=trust,
        report=output.note,
        rpc=rpc,
        quorum=quorum,
        block_hashes=block_hash,
        chain_ids=chain_id,
        accept_unpinned=accept_unpinned,
        offline=offline,
        show_progress=partial(show_hashing, output),
    )
    policies = inputs.describe_policies()
    if quiet:
        print_policies(output, policies)
    documents: list[FileDocument | UnreadFileDocument] = []
    codes: list[ExitCode] = []
    for name, load in inputs.list_inputs(files or [], receipt=receipt, digest=digest):
        try:
            report = inputs.judge(*load())
            file = None if digest is not None or isinstance(name, Message) else Path(name)
            beside = inputs.note_policy_place(file, receipt)
            report = replace(report, notes=(*report.notes, *beside))
            if quiet:
                print_summary(output, name, report)
            else:
                print_report(
                    output,
                    name,
                    report,
                    policies=policies,
                    nodes=inputs.nodes.asked_now,
                    all_steps=all_steps,
                )
        except AnchorError as error:
            if len(files or []) <= 1:
                raise
            text = Message("with-reason", failure=name, reason=error)
            output.note(text, mark=Message("error-mark"), colour=Colour.RED)
            code = int(error.exit_code)
            documents.append(
                UnreadFileDocument(file=name, exit_code=code, problem=describe_problem(error))
            )
            codes.append(error.exit_code)
            continue
        documents.append(describe_report(name, report))
        codes.append(report.exit_code)
    inputs.close()
    worst = severest_code(codes)
    document = VerificationDocument.model_validate(
        {
            "format": "anchor-verify/1",
            "exit_code": int(worst),
            "policies": inputs.list_policies(),
            "unused_project": inputs.describe_unused(),
            "nodes": inputs.nodes.asked,
            "files": documents,
        }
    )
    output.result(document.model_dump())
    raise typer.Exit(worst)


def _parse_language(text: str) -> Language:
    match text:
        case "en" | "zh":
            return text
        case _:
            raise UsageError(Message("option-lang-unknown", actual=text[:80]))
