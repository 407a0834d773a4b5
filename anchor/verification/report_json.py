"""A verification report as JSON: the document that ``anchor verify --json`` prints.

Certificates (``anchor.certificate.model``) contain the same steps, claims and values.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from anchor.base.errors import AnchorError
from anchor.base.types import Assurance
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import ChainKind, find_chain
from anchor.evidence.collection_profiles import list_lacking
from anchor.evidence.group_reading import CollectionAccount
from anchor.evidence.preservation_number import PATTERN
from anchor.signatures.record_signature import SignatureKind
from anchor.verification.record_status import NoticeFinding
from anchor.verification.report import (
    ProvenAnchor,
    Report,
    SignatureFinding,
    TimestampFinding,
    verdict_of,
)

VerdictText = Literal["pass", "fail", "cannot tell", "not present"]
ExitCodeNumber = Annotated[int, Field(ge=0, le=130)]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PrefixedHex32 = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
NumberText = Annotated[str, Field(pattern=PATTERN)]
AddressText = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
# A step's or claim's sentence: in English, or in two languages.
Sentence = TypeVar("Sentence")


class ReportDocument(BaseModel):
    """A part of a report: strict, frozen, and without unknown members."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class StepDocument(ReportDocument, Generic[Sentence]):
    """One numbered step of docs/verification.md; ``detail`` is what the verifier found."""

    number: Annotated[int, Field(ge=1, le=11)]
    title: Sentence
    verdict: VerdictText
    detail: Sentence


class ClaimDocument(ReportDocument, Generic[Sentence]):
    """One statement, with the verdict on it and the reason for the verdict."""

    id: Annotated[str, Field(pattern=r"^C[1-9]$")]
    title: Sentence
    verdict: VerdictText
    reason: Sentence


class ChainDocument(ReportDocument):
    """A chain as this release lists it; ``tested``: this release was run against that chain."""

    name: str
    kind: ChainKind
    tested: bool


class ProvenAnchorDocument(ReportDocument):
    """An anchor that passed every step; ``existed_no_later_than`` is a time in UTC (RFC 3339).

    ``seconds_since_recorded`` is that time minus the record's own time.  ``made_no_earlier_than``
    is a time in UTC by the block that the record names, or null if the receipt does not prove it;
    it says nothing about the evidence, which may be older than the record.  ``final_after_blocks``
    is absent unless the trust policy, and not the nodes, decided that the block is final: after so
    many following blocks.
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
    made_no_earlier_than: str | None
    existed_no_later_than: str
    seconds_since_recorded: int
    assurance: Assurance
    finality: Literal["observed", "asserted"]
    final_after_blocks: int | None = None

    @model_serializer(mode="wrap")
    def _leave_out(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        members: dict[str, Any] = serialize(self)
        if self.final_after_blocks is None:
            del members["final_after_blocks"]
        return members


class FileProblemDocument(ReportDocument):
    """Why a file has its exit code: the error's id in the catalogue of messages, and its text.

    ``id`` is null in the verifier page's documents, because the page ships without ids.
    """

    id: str | None
    message: str
    hint: str | None


class LackingDocument(ReportDocument, Generic[Sentence]):
    """A member that the record's profile demands and the record does not hold.

    ``text`` names the member and the source of the demand.
    """

    member: str
    level: Literal["must", "should"]
    text: Sentence


class AccountDocument(ReportDocument, Generic[Sentence]):
    """What the record says about the collection (docs/record-groups.md); nothing of it is verified.

    ``stated`` by the operator, ``observed`` by the program that made the record; ``uninterpreted``
    are members that do not have their form.
    """

    stated: dict[str, Any]
    observed: dict[str, Any]
    uninterpreted: list[str]
    lacking: list[LackingDocument[Sentence]]


class TimestampDocument(ReportDocument):
    """An RFC 3161 token, as it was verified.

    ``tsa``, ``serial`` and the times are null unless it passed.
    ``of_this_receipt``: its checkpoint is the head of an anchor in ``anchors``; otherwise its time
    is that of another head.  ``time`` and ``existed_no_later_than`` (``time`` plus the accuracy
    that the token states) are in UTC.  ``revocation`` says what the revocation lists beside the
    token say of its certificates, or that this is not judged.  ``command`` is how OpenSSL verifies
    it.
    """

    file: str
    verdict: VerdictText
    detail: str
    of_this_receipt: bool
    tsa: str | None
    serial: str | None
    time: str | None
    existed_no_later_than: str | None
    revocation: str | None
    command: str


class SignatureDocument(ReportDocument):
    """A detached signature of the record, as it was verified.

    ``signer`` is the name that the trust policy gives whoever made it, or null if the policy names
    nobody.  ``fingerprint`` is that of the SSH key, or the SHA-256 of the certificate; null if the
    signature is not one of the record, or cannot be verified.  ``command`` is how OpenSSH or
    OpenSSL verifies it.
    """

    file: str
    kind: SignatureKind
    verdict: VerdictText
    detail: str
    signer: str | None
    fingerprint: str | None
    command: str


class NoticeDocument(ReportDocument):
    """A notice that the record, or one that replaces it, is superseded or withdrawn.

    ``subject`` and ``replacement`` are the SHA-256 of records; reason, time and actor are what the
    notice states.  ``verdict`` is on the notice's own receipt, ``existed_no_later_than`` the time
    by which it was recorded, null unless it passed.  ``of_this_record``: its subject is the record
    that was verified.
    """

    file: str
    kind: Literal["supersedes", "withdraws"]
    subject: Hex32
    replacement: Hex32 | None
    reason: str
    at: str
    actor: str
    verdict: VerdictText
    detail: str
    existed_no_later_than: str | None
    of_this_record: bool


class FileDocument(ReportDocument):
    """The result for one file; ``problem`` is null if it is verified.

    ``number`` is the record's preservation number, or null if the record could not be read.
    ``unpinned`` lists what no policy pins, ``statements`` the record's members that are not
    verified, and ``notes`` lines that are not findings.  ``account`` is absent if the record says
    nothing about its collection, and in the verifier page's documents.  ``timestamps`` is absent if
    no tokens were given, ``signatures`` if there are none, ``notices`` if none is known.
    """

    file: str
    exit_code: ExitCodeNumber
    headline: str
    number: NumberText | None
    problem: FileProblemDocument | None
    steps: list[StepDocument[str]]
    claims: list[ClaimDocument[str]]
    anchors: list[ProvenAnchorDocument]
    unpinned: list[str]
    statements: list[str]
    notes: list[str]
    not_proven: list[str]
    account: AccountDocument[str] | None = None
    timestamps: list[TimestampDocument] | None = None
    signatures: list[SignatureDocument] | None = None
    notices: list[NoticeDocument] | None = None

    @model_serializer(mode="wrap")
    def _leave_out(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        members: dict[str, Any] = serialize(self)
        if self.account is None:
            del members["account"]
        if self.timestamps is None:
            del members["timestamps"]
        if self.signatures is None:
            del members["signatures"]
        if self.notices is None:
            del members["notices"]
        return members


class UnreadFileDocument(ReportDocument):
    """A file that could not be verified; ``error`` states why."""

    file: str
    exit_code: ExitCodeNumber
    problem: FileProblemDocument


class PolicyDocument(ReportDocument):
    """A trust policy that the run used, the SHA-256 of its bytes and its source.

    ``dropped``: the user dropped it on the verifier page and confirmed that it is their own.
    """

    file: str
    sha256: Hex32
    source: Literal["option", "environment", "user", "project", "dropped"]


class BagDocument(ReportDocument):
    """A bag that is complete and unchanged in itself; ``party`` is who packed it, as it states.

    ``identifier`` is the SHA-256 of its ``tagmanifest-sha256.txt``, ``policy`` that of the trust
    policy in it, which is not used, and ``enclosures`` counts its files that no receipt covers.
    """

    bag: str
    identifier: Hex32
    party: str | None
    policy: Hex32 | None
    originals: int
    enclosures: int


class UnusedProjectDocument(ReportDocument):
    """A project around the working directory that is not allowed, and the reason."""

    config: str
    reason: str


class VerificationDocument(ReportDocument):
    """The whole run; ``exit_code`` is the severest of its files' codes."""

    format: Literal["anchor-verify/1"]
    exit_code: ExitCodeNumber
    policies: list[PolicyDocument]
    unused_project: UnusedProjectDocument | None
    nodes: list[str]
    bags: list[BagDocument]
    files: list[FileDocument | UnreadFileDocument]


def describe_problem(error: AnchorError) -> FileProblemDocument:
    """Return the error that decided a file's exit code as a part of the published document."""
    return FileProblemDocument(id=error.message.id, message=error.message, hint=error.hint)


def describe_report(name: str, report: Report) -> FileDocument:
    """Return one file's report as a part of the published document."""
    return FileDocument(
        file=name,
        exit_code=int(report.exit_code),
        headline=report.headline,
        number=None if report.record is None else report.record.number,
        problem=None if report.error is None else describe_problem(report.error),
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
        account=None if report.account is None else _describe_account(report.account),
        timestamps=[_describe_timestamp(each) for each in report.timestamps] or None,
        signatures=[_describe_signature(each) for each in report.signatures] or None,
        notices=[describe_notice(each) for each in report.notices] or None,
    )


def describe_notice(finding: NoticeFinding) -> NoticeDocument:
    """Return the verdict on a notice as a part of the published document."""
    notice = finding.notice
    return NoticeDocument(
        file=finding.name,
        kind=notice.kind,
        subject=notice.subject.hex(),
        replacement=None if notice.replacement is None else notice.replacement.hex(),
        reason=notice.reason,
        at=notice.at,
        actor=notice.actor,
        verdict=verdict_of(finding.error).value,
        detail=finding.detail,
        existed_no_later_than=None if finding.existed_by is None else _utc(finding.existed_by),
        of_this_record=finding.is_about_record,
    )


def _describe_timestamp(finding: TimestampFinding) -> TimestampDocument:
    proven = finding.proven
    return TimestampDocument(
        file=finding.name,
        verdict=verdict_of(finding.error).value,
        detail=finding.detail,
        of_this_receipt=finding.is_of_receipt,
        tsa=None if proven is None else proven.tsa,
        serial=None if proven is None else str(proven.serial),
        time=None if proven is None else _utc(proven.time),
        existed_no_later_than=None if proven is None else _utc(proven.existed_by),
        revocation=None if proven is None else proven.revocation,
        command=finding.command,
    )


def _describe_signature(finding: SignatureFinding) -> SignatureDocument:
    return SignatureDocument(
        file=finding.name,
        kind=finding.kind,
        verdict=verdict_of(finding.error).value,
        detail=finding.detail,
        signer=finding.signer,
        fingerprint=finding.fingerprint,
        command=finding.command,
    )


def _describe_account(account: CollectionAccount) -> AccountDocument[str]:
    return AccountDocument[str](
        stated=account.list_values("stated"),
        observed=account.list_values("observed"),
        uninterpreted=list(account.uninterpreted),
        lacking=[
            LackingDocument[str](member=demand.name, level=demand.level, text=demand.describe())
            for demand in list_lacking(account.groups)
        ],
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
        made_no_earlier_than=None if proven.not_before is None else _utc(proven.not_before),
        existed_no_later_than=_utc(proven.existed_by),
        seconds_since_recorded=proven.seconds_since_recorded,
        assurance=proven.assurance,
        finality="asserted" if proven.is_asserted else "observed",
        final_after_blocks=proven.final_after,
    )


def _utc(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
