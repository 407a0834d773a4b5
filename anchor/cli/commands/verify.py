"""``anchor verify``: check evidence against the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anchor.base.errors import AnchorError, ExitCode, UsageError
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message
from anchor.cli.bag_inputs import names_many
from anchor.cli.bag_report import describe_bag, print_bag
from anchor.cli.console import Colour, Output, set_language
from anchor.cli.custody_inputs import CustodyInputs
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.notice_inputs import NoticeInputs
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
from anchor.cli.signature_inputs import SignatureInputs
from anchor.cli.timestamp_inputs import TimestampInputs
from anchor.receipt.bundle import is_bundle_file
from anchor.verification.outcome_tally import (
    VerificationOutcome,
    describe_tally,
    outcome_of,
    outcome_of_error,
)
from anchor.verification.report import Report, severest_code
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
            help="Files to verify, each with its receipt FILE.anchor.json; - is standard input. "
            "A folder stands for all files below it, each of which needs a receipt; a bundle, "
            "NAME.anchor.jsonl, for the files of all its receipts; so does a bag, a folder or ZIP "
            "file by `anchor pack`. A web capture's bag is one piece of evidence."
        ),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(
            metavar="RECEIPT",
            help="Receipt to use, if it is not beside the file, or a bundle of receipts.",
        ),
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option(
            metavar="ALGORITHM:HEX",
            help="Digest to verify instead of a file: sha256:HEX or sm3:HEX.",
        ),
    ] = None,
    custody: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RECEIPT",
            help="Receipt of a custody event, or a folder of them; of several files, each event "
            "counts for the one whose record it is about; repeatable.",
        ),
    ] = None,
    notice: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RECEIPT|DIR|URL",
            help="Receipt of a notice that a file is superseded or withdrawn, a folder of them, or "
            "the service (http://…) that knows them; repeatable.",
        ),
    ] = None,
    timestamp: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Timestamp (RFC 3161 token) of the head in the receipt, with its checkpoint "
            "beside it; repeatable.",
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Checkpoint of the timestamps; default: NAME.checkpoint beside NAME.tst.",
        ),
    ] = None,
    signature: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Signature of the file's record (SSHSIG or CAdES); repeatable. Those beside the "
            "receipt are verified anyway.",
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
        bool, typer.Option("--steps", help="Print all eleven steps and nine claims.")
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

    Of a bag, every file is compared with its lists first; the trust policy in it is not used.

    The exit code is that of the most severe result, in this order: 10 mismatch, 12 not trusted, 11
    not anchored, 13 abandoned, 14 superseded or withdrawn, 2 malformed, 22 unknown version, 20
    cannot tell, 21 not final yet, 0 verified.
    """
    _check_inputs(files or [], receipt, digest, signature)
    timestamps = TimestampInputs(timestamp or (), checkpoint)
    signatures = SignatureInputs(signature or ())
    if language is not None:
        set_language(_parse_language(language))
    if offline and (rpc or quorum):
        raise UsageError(Message("option-offline-with-nodes"))
    if quiet and all_steps:
        raise UsageError(Message("option-quiet-with-steps"))
    # The receipts of a whole bundle or bag get a line each.
    is_bundle = receipt is None and any(map(names_many, files or []))
    quiet, is_many = quiet or (is_bundle and not all_steps), is_bundle or len(files or []) > 1
    custody_events = CustodyInputs(custody or (), is_many=is_many)
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
    notices = NoticeInputs(inputs, notice or ())
    policies = inputs.describe_policies()
    if quiet:
        print_policies(output, policies)
    results = _Results(keeps_documents=as_json)
    given_hints: list[Message] = []
    shown_bags = 0
    with closing(inputs):
        for name, load in inputs.list_inputs(files or [], receipt=receipt, digest=digest):
            for opened in inputs.bags[shown_bags:]:
                print_bag(output, opened)
            shown_bags = len(inputs.bags)
            try:
                given, digests = load()
                report = custody_events.apply(inputs, name, inputs.judge(given, digests), given)
                report = timestamps.apply(inputs, name, report)
                report = signatures.apply(inputs, name, receipt, report)
                report = notices.apply(name, given, report)
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
                if not is_many:
                    raise
                text = Message("with-reason", failure=name, reason=error)
                output.note(text, mark=Message("error-mark"), colour=Colour.RED)
                if error.hint is not None and error.hint not in given_hints:
                    output.note(error.hint, mark="  ")
                    given_hints.append(error.hint)
                results.add_error(name, error)
                continue
            results.add(name, report)
    notices.warn_of_unused(output)
    custody_events.warn_of_unused(output)
    if is_bundle or (is_many and not quiet):
        output.line(results.describe())
    worst = severest_code(list(results.codes))
    document = VerificationDocument.model_validate(
        {
            "format": "anchor-verify/1",
            "exit_code": int(worst),
            "policies": inputs.list_policies(),
            "unused_project": inputs.describe_unused(),
            "nodes": inputs.nodes.asked,
            "bags": [describe_bag(opened) for opened in inputs.bags],
            "files": results.documents,
        }
    )
    output.result(document.model_dump())
    raise typer.Exit(worst)


class _Results:
    """The codes and outcomes of what was verified; reports are kept for JSON only."""

    def __init__(self, *, keeps_documents: bool) -> None:
        self.codes: Counter[ExitCode] = Counter()
        self._outcomes: Counter[VerificationOutcome] = Counter()
        self.documents: list[FileDocument | UnreadFileDocument] = []
        self._keeps_documents = keeps_documents

    def add(self, name: str, report: Report) -> None:
        self.codes[report.exit_code] += 1
        self._outcomes[outcome_of(report)] += 1
        if self._keeps_documents:
            self.documents.append(describe_report(name, report))

    def add_error(self, name: str, error: AnchorError) -> None:
        self.codes[error.exit_code] += 1
        self._outcomes[outcome_of_error(error)] += 1
        if self._keeps_documents:
            code, problem = int(error.exit_code), describe_problem(error)
            self.documents.append(UnreadFileDocument(file=name, exit_code=code, problem=problem))

    def describe(self) -> Message:
        """Return how many files passed, and with what reservation."""
        return describe_tally(self._outcomes)


def _check_inputs(
    files: Sequence[Path],
    receipt: Path | None,
    digest: str | None,
    signature: Sequence[Path] | None,
) -> None:
    is_many = len(files) > 1 or any(map(names_many, files))
    if signature and is_many:
        raise UsageError(Message("option-signature-misplaced"))
    if bool(files) == (digest is not None):
        raise UsageError(Message("file-to-verify-unnamed"))
    if receipt is not None and len(files) > 1 and not is_bundle_file(receipt):
        raise UsageError(Message("option-receipt-misplaced"))
    if files.count(Path("-")) > 1:
        raise UsageError(Message("input-standard-twice"))


def _parse_language(text: str) -> Language:
    match text:
        case "en" | "zh":
            return text
        case _:
            raise UsageError(Message("option-lang-unknown", actual=text[:80]))
