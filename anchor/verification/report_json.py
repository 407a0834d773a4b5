"""A verification report as JSON: the document that ``anchor verify --json`` prints.

Certificates (``anchor.certificate.model``) are made of the same steps, claims and values.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import ChainKind, find_chain
from anchor.types import Assurance
from anchor.verification.report import ProvenAnchor, Report

VerdictText = Literal["pass", "fail", "cannot tell", "not present"]
ExitCodeNumber = Annotated[int, Field(ge=0, le=130)]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PrefixedHex32 = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
AddressText = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
# A step's or claim's sentence: in English, or in two languages.
Sentence = TypeVar("Sentence")


class ReportDocument(BaseModel):
    """A part of a report: strict, frozen, and without other members."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class StepDocument(ReportDocument, Generic[Sentence]):
    """One numbered step of docs/verification.md; ``detail`` is what the verifier found."""

    number: Annotated[int, Field(ge=1, le=10)]
    title: Sentence
    verdict: VerdictText
    detail: Sentence


class ClaimDocument(ReportDocument, Generic[Sentence]):
    """One statement, with the verdict on it and what that rests on."""

    id: Annotated[str, Field(pattern=r"^C[1-9]$")]
    title: Sentence
    verdict: VerdictText
    reason: Sentence


class ChainDocument(ReportDocument):
    """What this release knows of a chain; ``tested``: it was run against that chain itself."""

    name: str
    kind: ChainKind
    tested: bool


class ProvenAnchorDocument(ReportDocument):
    """An anchor that passed every step; ``existed_no_later_than`` is a time in UTC (RFC 3339).

    ``seconds_since_recorded`` is how long before that the record says it was made.
    """

    chain_id: int
    chain: ChainDocument
    registry: AddressText
    log: PrefixedHex32
    root: Hex32
    index: int
    size: int
    sequence: int
    block_number: int
    timestamp: int
    submitter: AddressText
    final_block_number: int
    final_block_hash: PrefixedHex32
    existed_no_later_than: str
    seconds_since_recorded: int
    assurance: Assurance
    finality: Literal["observed", "asserted"]


class FileDocument(ReportDocument):
    """What was found about one file.

    ``unpinned`` is what no policy pins, ``statements`` are members of the record that nothing
    checks, and ``notes`` are lines that are no findings.
    """

    file: str
    exit_code: ExitCodeNumber
    headline: str
    steps: list[StepDocument[str]]
    claims: list[ClaimDocument[str]]
    anchors: list[ProvenAnchorDocument]
    unpinned: list[str]
    statements: list[str]
    notes: list[str]
    not_proven: list[str]


class UnreadFileDocument(ReportDocument):
    """A file that could not be judged, one of several."""

    file: str
    exit_code: ExitCodeNumber
    error: str


class PolicyDocument(ReportDocument):
    """A trust policy that the run rests on, the SHA-256 of its bytes and where it came from.

    ``dropped``: on the verifier page, and the person said that it is theirs.
    """

    file: str
    sha256: Hex32
    source: Literal["option", "environment", "user", "project", "dropped"]


class UnusedProjectDocument(ReportDocument):
    """A project that was found around and does not count."""

    config: str
    reason: str


class VerificationDocument(ReportDocument):
    """The whole run; ``exit_code`` is the gravest of the files'."""

    format: Literal["anchor-verify/1"]
    exit_code: ExitCodeNumber
    policies: list[PolicyDocument]
    unused_project: UnusedProjectDocument | None
    nodes: list[str]
    files: list[FileDocument | UnreadFileDocument]


def describe_report(name: str, report: Report) -> FileDocument:
    """Return one file's report as a part of the published document."""
    return FileDocument(
        file=name,
        exit_code=int(report.exit_code),
        headline=report.headline,
        steps=[
            StepDocument[str](
                number=step.number,
                title=step.title,
                verdict=step.verdict.value,
                detail=step.detail,
            )
            for step in report.steps
        ],
        claims=[
            ClaimDocument[str](
                id=claim.id, title=claim.title, verdict=claim.verdict.value, reason=claim.reason
            )
            for claim in report.claims
        ],
        anchors=[_describe_anchor(proven) for proven in report.proven],
        unpinned=list(report.unpinned),
        statements=list(report.statements),
        notes=list(report.notes),
        not_proven=list(report.not_proven),
    )


def _describe_anchor(proven: ProvenAnchor) -> ProvenAnchorDocument:
    chain = find_chain(proven.chain_id)
    return ProvenAnchorDocument(
        chain_id=proven.chain_id,
        chain=ChainDocument(name=chain.name, kind=chain.kind, tested=chain.tested),
        registry=format_address(proven.registry),
        log="0x" + proven.log.hex(),
        root=proven.root.hex(),
        index=proven.index,
        size=proven.anchor.size,
        sequence=proven.anchor.sequence,
        block_number=proven.anchor.block_number,
        timestamp=proven.anchor.timestamp,
        submitter=format_address(proven.submitter),
        final_block_number=proven.final_block_number,
        final_block_hash="0x" + proven.final_block_hash.hex(),
        existed_no_later_than=proven.existed_by.isoformat().replace("+00:00", "Z"),
        seconds_since_recorded=proven.seconds_since_recorded,
        assurance=proven.assurance,
        finality="asserted" if proven.is_asserted else "observed",
    )
