"""``anchor certify``: verify, and write a certificate of the verification for a court."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from anchor.bag.bag_surroundings import check_outside_bags
from anchor.base.digests import Digests, parse_digest
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.certificate.fonts import find_font, read_font
from anchor.certificate.issue import Basis
from anchor.certificate.papers import PAPERS, parse_paper
from anchor.certificate.time_format import choose_moment
from anchor.cli.anchoring_transactions import find_transactions
from anchor.cli.certificate_files import (
    Issue,
    Judged,
    Request,
    describe_font,
    find_captured_page,
    plan_requests,
    write_certificates,
)
from anchor.cli.console import Output
from anchor.cli.custody_inputs import load_custody
from anchor.cli.evidence_inputs import VerificationInputs
from anchor.cli.input_files import read_receipt
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
from anchor.cli.party_details import check_exhibits, read_details
from anchor.cli.pdf_signing import open_pdf_key
from anchor.cli.report_text import print_policies
from anchor.cli.signature_inputs import SignatureInputs
from anchor.cli.timestamp_inputs import TimestampInputs, kept_folder
from anchor.project.files import TIMESTAMPS
from anchor.receipt.format import Receipt, encode_receipt, parse_receipt
from anchor.verification.collection_account import apply_custody


def command(
    receipts: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECEIPT", help="Receipts with a final anchor, or the files beside them."
        ),
    ],
    file: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Evidence file, or bag of a web capture, if not beside its receipt; once per "
            "receipt, in the same order.",
        ),
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option(
            metavar="ALGORITHM:HEX",
            help="Digest to certify instead of a file, sha256:HEX or sm3:HEX; the certificate "
            "says so.",
        ),
    ] = None,
    trust: TrustOption = None,
    rpc: RpcOption = None,
    quorum: QuorumOption = None,
    block_hash: BlockHashOption = None,
    offline: OfflineOption = False,
    chain_id: ChainIdOption = None,
    accept_unpinned: AcceptUnpinnedOption = False,
    custody: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RECEIPT|DIR",
            help="Receipts of the evidence's custody events, which the certificate then lists.",
        ),
    ] = None,
    timestamp: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Timestamp (RFC 3161 token) of a receipt's head, with its checkpoint beside it; "
            "repeatable. Those in `timestamps/` beside the receipt, or kept by your own project, "
            "are used anyway.",
        ),
    ] = None,
    notice: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RECEIPT|DIR|URL",
            help="Receipts of notices that evidence is superseded or withdrawn, or the service "
            "that knows them; its certificate then shows them.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder for the certificates; default: beside each receipt.",
        ),
    ] = None,
    is_replacing: Annotated[
        bool,
        typer.Option("--replace", help="Replace certificates that exist already at these paths."),
    ] = False,
    details: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your own statements on depositor, platform and exhibits (TOML or .json); printed "
            "as yours.",
        ),
    ] = None,
    papers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(PAPERS),
            help="Also draft this paper for the person who may sign it, filled from the "
            "certificate; repeatable.",
        ),
    ] = None,
    sign: Annotated[
        str | None,
        typer.Option(
            metavar="KEY.p12|pkcs11:URI",
            help="Sign the PDF (PAdES) with the key in this file, or on a token.",
        ),
    ] = None,
    sign_password_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Environment variable that holds the password or PIN of --sign; "
            "default: a prompt.",
        ),
    ] = None,
    font: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Font with Chinese and Latin characters, for the PDF."),
    ] = None,
    no_pdf: Annotated[bool, typer.Option("--no-pdf", help="Write JSON and HTML only.")] = False,
    issued_at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time of verification and issue, printed as given by you (2026-01-31T08:00:00Z); "
            "default: $SOURCE_DATE_EPOCH, else now.",
        ),
    ] = None,
    draft: Annotated[
        bool,
        typer.Option(
            "--draft",
            help="Write a draft, marked on every page, even if the anchor is not final yet.",
        ),
    ] = False,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify files and write a certificate for each.

    A certificate is in Chinese and English: a JSON file, which is authoritative, and an HTML and a
    PDF/A-3b file with the same data. A file that does not verify, or whose anchor is not final yet
    (21), gets none; the exit code is that of `anchor verify`. One that was superseded or withdrawn
    gets a certificate that says so.
    """
    check_outside_bags(folder)
    if offline and (rpc or quorum):
        raise UsageError(Message("option-offline-with-nodes"))
    if file and len(file) != len(receipts):
        raise UsageError(
            Message("option-file-count-mismatch", files=len(file), receipts=len(receipts))
        )
    if digest is not None and (file or papers or len(receipts) > 1):
        raise UsageError(Message("option-digest-misplaced"))
    if custody and len(receipts) > 1:
        raise UsageError(Message("option-custody-misplaced"))
    if no_pdf and font is not None:
        raise UsageError(Message("option-font-without-pdf"))
    if sign is not None and (no_pdf or draft):
        raise UsageError(Message("option-sign-misplaced"))
    if sign_password_env is not None and sign is None:
        raise UsageError(Message("option-sign-password-misplaced"))
    output = Output(as_json=as_json)
    drafts = [parse_paper(name) for name in dict.fromkeys(papers or ())]
    requests = plan_requests(receipts, file, folder, is_replacing=is_replacing, papers=drafts)
    moment = choose_moment(issued_at, os.environ.get("SOURCE_DATE_EPOCH"), datetime.now(UTC))
    stated = read_details(details)
    chosen = None
    if not no_pdf:
        chosen = find_font() if font is None else read_font(font)
    signature = None if sign is None else open_pdf_key(output, sign, sign_password_env)
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
    nodes, signatures = inputs.nodes, SignatureInputs()
    timestamps = TimestampInputs(timestamp or (), None)
    notices = NoticeInputs(inputs, notice or ())

    def judge_one(request: Request) -> Judged:
        receipt: bytes | Receipt
        bag = None
        if digest is None:
            hint = Message("certificate-file-missing-hint")
            receipt, digests, bag = inputs.load_with_bag(request.file, request.receipt, hint=hint)
        else:
            receipt = read_receipt(request.receipt)
            digests = Digests.bare(*parse_digest(digest))
        report = inputs.judge(receipt, digests)
        report = signatures.apply(inputs, str(request.file), request.receipt, report)
        folders = [request.receipt.parent / TIMESTAMPS, *kept_folder(inputs.choice.config)]
        report = timestamps.apply(inputs, str(request.file), report, folders=folders)
        report = notices.apply(str(request.file), receipt, report)
        data = encode_receipt(receipt) if isinstance(receipt, Receipt) else receipt
        transactions = find_transactions(inputs, data, report)
        basis = Basis(
            policy=inputs.policy,
            policies=inputs.choice.files,
            nodes=tuple(nodes.asked_now),
            has_file=digest is None,
            transactions=transactions,
        )
        capture = None if bag is None else find_captured_page(bag, report)
        judged = Judged(request=request, data=data, report=report, basis=basis, capture=capture)
        if not custody or report.record is None:
            return judged
        events = load_custody(inputs, custody)
        report = apply_custody(report, parse_receipt(data), events)
        return replace(judged, report=report, custody=events)

    with closing(inputs):
        judged = [judge_one(request) for request in requests]
    check_exhibits(stated, [judgement.report for judgement in judged])
    print_policies(output, inputs.describe_policies())
    issue = Issue(
        details=stated, moment=moment, font=chosen, is_draft=draft, papers=drafts, sign=signature
    )
    written, refused, code = write_certificates(judged, output, issue)
    output.result(
        {
            "exit_code": int(code),
            "policies": inputs.list_policies(),
            "unused_project": inputs.describe_unused(),
            "nodes": nodes.asked,
            "font": None if chosen is None else describe_font(chosen),
            "certificates": written,
            "refused": refused,
        }
    )
    raise typer.Exit(code)
