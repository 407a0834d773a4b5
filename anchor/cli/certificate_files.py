"""The receipts that ``anchor certify`` certifies, and the files it writes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchor.bag.bag_validation import ValidBag
from anchor.base.errors import AnchorError, ExitCode, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.durable_files import write_files
from anchor.certificate.captured_page import read_captured_page
from anchor.certificate.fonts import Font
from anchor.certificate.html import render_html
from anchor.certificate.issue import Basis, issue_certificate
from anchor.certificate.model import CaptureEntry, encode_certificate
from anchor.certificate.papers import PAPERS, PaperName, render_paper
from anchor.certificate.pdf import render_paper_pdf, render_pdf
from anchor.certificate.statements import Details
from anchor.certificate.time_format import Moment
from anchor.cli.console import Colour, Output
from anchor.cli.input_files import receipt_path
from anchor.project.files import RECEIPT_SUFFIX
from anchor.verification.collection_account import CustodyReceipt
from anchor.verification.report import Report, severest_code

# Of a paper's PDF, after the paper's name.
_PDF = "-pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One receipt, the file it covers, and the path of its certificate without a suffix."""

    receipt: Path
    file: Path
    target: Path


def plan_requests(
    receipts: Sequence[Path],
    files: Sequence[Path] | None,
    folder: Path | None,
    *,
    is_replacing: bool,
    papers: Sequence[PaperName] = (),
) -> list[Request]:
    """Return each receipt to certify with its file and the path of its certificate.

    Raises:
        UsageError: Two certificates would have the same path, or one is there already and
            ``is_replacing`` is not set.
    """
    requests: list[Request] = []
    for position, argument in enumerate(receipts):
        receipt = receipt_path(argument)
        name = receipt.name.removesuffix(RECEIPT_SUFFIX)
        file = receipt.with_name(name) if files is None else files[position]
        target = (folder or receipt.parent) / f"{name}.certificate"
        if any(request.target == target for request in requests):
            raise UsageError(
                Message("certificate-path-conflict", path=target),
                hint=Message("certificate-path-conflict-hint"),
            )
        if not is_replacing:
            _refuse_existing(target, papers)
        requests.append(Request(receipt=receipt, file=file, target=target))
    return requests


def _name_file(target: Path, kind: str) -> Path:
    """Return the path of a certificate's file, or of a paper drafted from it."""
    paper = kind.removesuffix(_PDF)
    if paper in PAPERS:
        ending = "html" if paper == kind else "pdf"
        return target.with_name(f"{target.name.removesuffix('certificate')}draft-{paper}.{ending}")
    return target.with_name(f"{target.name}.{kind}")


def _refuse_existing(target: Path, papers: Sequence[PaperName]) -> None:
    for kind in ("json", "html", "pdf", *papers, *(paper + _PDF for paper in papers)):
        path = _name_file(target, kind)
        if os.path.lexists(path):
            raise UsageError(
                Message("certificate-exists", path=path),
                hint=Message("certificate-exists-hint"),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verification's result: the receipt's bytes, the report and its basis, custody events."""

    request: Request
    data: bytes
    report: Report
    basis: Basis
    custody: Sequence[CustodyReceipt] = ()
    capture: CaptureEntry | None = None


def find_captured_page(bag: ValidBag, report: Report) -> CaptureEntry | None:
    """Return what a certificate shows of the capture in a bag; None of other evidence."""
    capture = None if report.account is None else report.account.groups.capture
    return None if capture is None else read_captured_page(bag, capture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What all certificates of a run share; without a font, no PDF is written.

    ``sign`` appends a signature to a PDF.
    """

    details: Details
    moment: Moment
    font: Font | None
    is_draft: bool
    papers: Sequence[PaperName]
    sign: Callable[[bytes], bytes] | None


def write_certificates(
    judged: Sequence[Judged], output: Output, issue: Issue
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], ExitCode]:
    """Write and print the certificates; of several receipts, report those that were refused one.

    Return JSON members of the certificates written and of the refused receipts, and the exit code.

    Raises:
        AnchorError: The only receipt cannot be certified, or its certificate cannot be written.
    """
    written: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    codes: list[ExitCode] = []
    for judgement in judged:
        try:
            written.append(_write(judgement, issue))
        except AnchorError as error:
            if len(judged) == 1:
                raise
            file = str(judgement.request.file)
            output.note(
                Message("with-reason", failure=file, reason=error.message),
                mark=Message("error-mark"),
                colour=Colour.RED,
            )
            code = int(error.exit_code)
            refused.append({"file": file, "exit_code": code, "error": error.message})
            codes.append(error.exit_code)
        else:
            print_written(output, written[-1])
    if issue.font is not None and written:
        print_font(output, issue.font)
    return written, refused, severest_code(codes)


def _write(judged: Judged, issue: Issue) -> dict[str, Any]:
    """Write one receipt's certificate, each file as a whole; return its JSON members."""
    certificate = issue_certificate(
        judged.data,
        judged.report,
        details=issue.details,
        basis=judged.basis,
        moment=issue.moment,
        draft=issue.is_draft,
        custody=judged.custody,
        capture=judged.capture,
    )
    written = {
        "json": encode_certificate(certificate),
        "html": render_html(certificate),
    }
    if issue.font is not None:
        pdf = render_pdf(certificate, issue.font)
        written["pdf"] = pdf if issue.sign is None else issue.sign(pdf)
    for paper in issue.papers:
        drafted = render_paper(paper, certificate, issue.details.declarant)
        written[paper] = drafted
        if issue.font is not None:
            written[paper + _PDF] = render_paper_pdf(drafted, certificate, issue.font)
    paths = {kind: _name_file(judged.request.target, kind) for kind in written}
    write_files([(paths[kind], data) for kind, data in written.items()])
    return {
        "receipt": str(judged.request.receipt),
        "file": str(judged.request.file),
        "certificate_no": certificate.certificate_no,
        "draft": certificate.draft,
        "files": {
            kind: {"path": str(paths[kind]), "sha256": hashlib.sha256(data).hexdigest()}
            for kind, data in written.items()
        },
    }


def describe_font(font: Font) -> dict[str, Any]:
    """Return the font's name, and its files with their SHA-256."""
    return {"family": font.family, "files": {str(file.path): file.sha256 for file in font.files}}


def print_font(output: Output, font: Font) -> None:
    """Print the font of the PDFs, because their bytes depend on it."""
    output.line(Message("certificate-font", family=font.family))
    for file in font.files:
        output.text(f"  {file.sha256}  {file.path}")


def print_written(output: Output, written: dict[str, Any]) -> None:
    """Print the files written for one receipt."""
    file, number = written["file"], written["certificate_no"]
    if written["draft"]:
        output.line(Message("certificate-draft-written", file=file, number=number))
    else:
        output.line(Message("certificate-written", file=file, number=number))
    for file in written["files"].values():
        output.text(f"  {file['sha256']}  {file['path']}")
