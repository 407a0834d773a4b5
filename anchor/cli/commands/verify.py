"""``anchor verify``: check evidence against the chain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anchor.cli.console import Colour, Output
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
from anchor.cli.report_text import print_policies, print_report
from anchor.errors import AnchorError, ExitCode, UsageError
from anchor.verification.report import severest_code
from anchor.verification.report_json import (
    FileDocument,
    UnreadFileDocument,
    VerificationDocument,
    describe_report,
)
from anchor.verification.report_words import WORDS


def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files to verify; each one's receipt is FILE.anchor.json."),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(metavar="RECEIPT", help="The receipt, where it does not lie beside the file."),
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option(help="Verify this digest (sha256:HEX or sm3:HEX) instead of a file."),
    ] = None,
    trust: TrustOption = None,
    rpc: RpcOption = None,
    quorum: QuorumOption = None,
    block_hash: BlockHashOption = None,
    offline: OfflineOption = False,
    chain_id: ChainIdOption = None,
    accept_unpinned: AcceptUnpinnedOption = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="One line for each file, no steps.")
    ] = False,
    language: Annotated[
        str, typer.Option("--lang", metavar="en|zh", help="The report's language; JSON has one.")
    ] = "en",
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify that files are unchanged since they were anchored.

    Ends with the worst code of all files: 0 verified, 10 mismatch, 11 not anchored, 12 not trusted,
    13 abandoned, 20 cannot check, 21 not final yet, 22 unknown version.
    """
    if bool(files) == (digest is not None):
        raise UsageError("name the files to verify, or one --digest with its --receipt")
    words = WORDS.get(language)
    if words is None:
        raise UsageError(f"--lang takes en or zh, not {language[:80]!r}")
    if offline and (rpc or quorum):
        raise UsageError("--offline asks no node: leave out --rpc and --quorum")
    if receipt is not None and files is not None and len(files) > 1:
        raise UsageError("--receipt goes with one file")
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
    )
    policies = inputs.describe_policies()
    if quiet:
        print_policies(output, policies, words)
    documents: list[FileDocument | UnreadFileDocument] = []
    codes: list[ExitCode] = []
    for name, load in inputs.list_inputs(files or [], receipt=receipt, digest=digest):
        try:
            report = inputs.judge(*load())
            print_report(
                output,
                name,
                report,
                policies=policies,
                nodes=inputs.nodes.asked_now,
                brief=quiet,
                words=words,
            )
        except AnchorError as error:
            if len(files or []) <= 1:
                raise
            output.note(f"{name}: {error.message}", mark="error: ", colour=Colour.RED)
            code = int(error.exit_code)
            documents.append(UnreadFileDocument(file=name, exit_code=code, error=error.message))
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
