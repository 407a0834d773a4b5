"""The document ``anchor-certificate/1``, of which HTML and PDF are renderings.

It is encoded by RFC 8785.  A member is null if nothing verified it or nobody provided it.  The
hints of a receipt, such as a transaction's hash, are neither verified nor stated, and are left out.
``docs/certificate.md`` is the specification.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import Field

from anchor.base.canonical import encode_canonical
from anchor.base.messages.message import Message, translate
from anchor.base.types import Assurance
from anchor.certificate.statements import (
    Case,
    Depositor,
    Exhibit,
    Issuer,
    Platform,
    RegisteredSubmitter,
)
from anchor.chain.anchoring_transaction import ShownTransaction
from anchor.ethereum.known_chains import ChainKind
from anchor.log.merkle import PathNode
from anchor.signatures.record_signature import SignatureKind
from anchor.verification.report_json import (
    AccountDocument,
    AddressText,
    ClaimDocument,
    Hex32,
    NumberText,
    PrefixedHex32,
    ReportDocument,
    StepDocument,
    VerdictText,
)

FORMAT: Literal["anchor-certificate/1"] = "anchor-certificate/1"

Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]


class Bilingual(ReportDocument):
    """One text in Chinese and in English."""

    zh: str
    en: str


def bilingual(message: str) -> Bilingual:
    """Return a message in both languages; text that is not a message stands in both."""
    return Bilingual(zh=translate(message, "zh"), en=str(message))


class Evidence(ReportDocument):
    """The evidence that was compared with the record.

    ``compared`` is what was compared: the file's bytes, or a digest that was given.
    ``recorded_at`` is a claim: it was read from the operator's own clock.  ``statements`` are
    members of the record that the format does not define: statements, which nothing checks.
    """

    compared: Literal["file", "digest"] = "file"
    name: str
    media_type: str | None
    size: int | None
    sha256: Hex32 | None
    sm3: Hex32 | None
    recorded_at: Time
    statements: list[str]


class RecordPlace(ReportDocument):
    """The record's number, the SHA-256 of its bytes, and its leaf and index in the log.

    ``number`` is the preservation number: the first 80 bits of that SHA-256, with a check symbol.
    """

    number: NumberText
    record_sha256: Hex32
    leaf: Hex32
    log: PrefixedHex32
    owner: AddressText
    index: int


class PathStep(ReportDocument):
    """One step towards the root: ``node`` is the hash of the node below and ``sibling``.

    ``side`` is the side of ``sibling``.
    """

    side: Literal["left", "right"]
    sibling: Hex32
    node: Hex32


class Path(ReportDocument):
    """The Merkle path from the leaf to the root of a tree of ``size`` leaves."""

    root: Hex32
    size: int
    steps: list[PathStep]


class ReliedOn(ReportDocument):
    """The final block in which the registry's state was read or proven."""

    number: int
    hash: PrefixedHex32


class Transaction(ReportDocument):
    """The transaction that made an anchor, and the names of the nodes that show it.

    It succeeded in the anchor's block, and the registry reported the anchor's root, size and
    sequence in it.  No verdict rests on it.
    """

    hash: PrefixedHex32
    nodes: list[str]


class VerifiedAnchor(ReportDocument):
    """A verified anchor.

    ``chain`` is a CAIP-2 name.  Any chain can claim a chain id, so ``genesis`` is the hash of block
    0 that the trust policy or the release pins, or null if neither does.  ``kind`` is what the
    release states of the chain.  ``anchored_at`` is the block's time.  ``seconds_since_recorded``
    is the time from the record's own ``recorded_at`` to ``existed_no_later_than``.
    ``made_no_earlier_than`` is when the record, not the evidence, was made at the earliest, by the
    block that it names; null if the receipt does not prove that block.  ``transaction`` is null
    unless nodes were asked and show it.  ``final_after_blocks`` is the number of following blocks
    after which the issuer's trust policy treats a block as final; null if the nodes confirmed
    finality, or the issuer asserts it.
    """

    chain: str
    network: Bilingual | None
    kind: ChainKind
    genesis: PrefixedHex32 | None
    registry: AddressText
    code_hash: PrefixedHex32
    root: Hex32
    size: int
    sequence: int
    block_number: int
    anchored_at: Time
    made_no_earlier_than: Time | None
    existed_no_later_than: Time
    seconds_since_recorded: int
    submitter: AddressText
    operator_id: str
    relied_on: ReliedOn
    transaction: Transaction | None = None
    assurance: Assurance
    finality: Literal["observed", "asserted"]
    final_after_blocks: int | None = None


class Policy(ReportDocument):
    """A trust policy that was used: its file's name, the SHA-256 of its bytes, and its source."""

    name: str
    sha256: Hex32
    source: Literal["option", "environment", "user", "project"]


class Verification(ReportDocument):
    """The verification: what was verified, when, and by which policies and nodes.

    ``retrieved_at`` is when nodes were queried, or null if none was.  ``policies`` are the files of
    the issuer's trust policy.  ``unpinned`` lists what was taken from the receipt because no policy
    pins it, and ``notes`` are remarks that are not results.
    """

    verified_at: Time
    retrieved_at: Time | None
    verifier: str
    policies: list[Policy]
    unpinned: list[Bilingual]
    notes: list[Bilingual]
    nodes: list[str]
    steps: list[StepDocument[Bilingual]]
    claims: list[ClaimDocument[Bilingual]]


class Command(ReportDocument):
    """A command that repeats a part of the verification, and the line that it must print."""

    title: Bilingual
    command: str
    prints: str


class Checks(ReportDocument):
    """How to verify independently: commands, after ``set_up`` has defined what they use."""

    set_up: str
    commands: list[Command]


class Stated(ReportDocument):
    """The issuer's statements, which nothing verified; a member that was not provided is null.

    ``exhibits_stated_by`` is whose statements ``case_reference``, ``case`` and ``exhibit`` are: the
    issuer's, or those that the depositor entered in a case at the service.
    """

    case_reference: str | None
    case: Case
    issuer: Issuer
    depositor: Depositor
    submitter: RegisteredSubmitter = RegisteredSubmitter()
    platform: Platform
    exhibits_stated_by: Literal["issuer", "depositor"] = "issuer"
    exhibit: Exhibit


class SubmitterEntry(ReportDocument):
    """The record's submitter: account and person or key at the service that made the record."""

    account: str
    actor: str


class CustodyEntry(ReportDocument):
    """A custody event that was verified; ``stated`` is what the log's operator says of it.

    ``existed_no_later_than`` is the time by which the event's record existed, not the event's own,
    and ``chain_kind`` the kind of the chain of whose block it is.
    """

    record_sha256: Hex32
    index: int
    existed_no_later_than: Time | None
    chain_kind: ChainKind | None = None
    stated: dict[str, Any]


class SignatureEntry(ReportDocument):
    """A detached signature of the record that was verified with it (docs/signatures.md).

    ``signer`` is the name that the issuer's trust policy gives, or null.  ``fingerprint`` is that
    of the SSH key, or the SHA-256 of the certificate; null if it could not be verified.
    """

    file: str
    kind: SignatureKind
    verdict: VerdictText
    signer: str | None
    fingerprint: str | None
    detail: Bilingual


class TimestampEntry(ReportDocument):
    """An RFC 3161 token over the checkpoint of an anchor in ``anchors``.

    ``authority`` is its name in the issuer's trust policy, and ``root_certificates`` are the
    SHA-256 of the root certificates there, to one of which the token's chain leads.  They, the
    times and ``serial`` are null or empty unless the token was verified; ``reason`` is why it was
    not.  ``revocation`` says what the revocation lists beside a verified token say of its
    certificates, or that this was not judged.  ``time`` is the token's own,
    ``existed_no_later_than`` the same with the accuracy that the token states, rounded up to a
    second.
    """

    result: Literal["verified", "not trusted", "not checked"]
    reason: Bilingual | None
    authority: str | None
    time: Time | None
    existed_no_later_than: Time | None
    serial: str | None
    revocation: Bilingual | None
    root_certificates: list[Hex32]
    root: Hex32
    size: int
    checkpoint_sha256: Hex32
    token_sha256: Hex32


class NoticeEntry(ReportDocument):
    """A notice that was verified: the record ``subject`` is superseded or withdrawn.

    Reason, time and author are stated by the log's operator.  ``existed_no_later_than`` is the time
    by which the notice's record existed, and ``chain_kind`` the kind of the chain of whose block it
    is.
    """

    record_sha256: Hex32
    kind: Literal["supersedes", "withdraws"]
    subject: Hex32
    replacement: Hex32 | None
    reason: str
    at: str
    actor: str
    existed_no_later_than: Time | None
    chain_kind: ChainKind | None = None


class Picture(ReportDocument):
    """The screenshot of a web capture: the file ``name`` in its bag, and what is shown of it.

    ``png`` is the Base64 of a PNG file with the first ``shown_rows`` rows, reduced to
    ``shown_width`` and ``shown_height`` points; ``shown_sha256`` is that of its bytes.
    """

    name: str
    sha256: Hex32
    width: int
    height: int
    shown_rows: int
    shown_width: int
    shown_height: int
    shown_sha256: Hex32
    png: str


class UncapturedEntry(ReportDocument):
    """What a web capture says that it could not capture, and why, in English and Chinese."""

    subject: str
    reason: str
    reason_zh: str | None


class CaptureEntry(ReportDocument):
    """What the bag of a web capture says beyond its record, every file of which was verified.

    The times are those of the certificate that the page's own server presented, or null.
    ``not_captured`` are the first twenty; the record has their number.
    """

    picture: Picture | None
    certificate_not_before: str | None
    certificate_not_after: str | None
    not_captured: list[UncapturedEntry]


class Certificate(ReportDocument):
    """The whole certificate; ``qr_text`` is the content of its QR code.

    ``submitter`` is whom the record names as its submitter, whose statements it then holds, or
    null.  ``account`` is what the record says about the collection, which nothing verified: stated,
    or observed by a program.  ``capture`` is what the bag of a web capture adds to that, or null if
    no bag was given.  ``custody`` are the events whose
    receipts were given, in their order, or null if none was.  ``trusted_timestamp`` are the tokens
    of the anchors' heads, or null if there was none.  ``signatures`` are those that lay beside the
    receipt, or null.  ``notices`` are those that were known at issue, about the record first and
    then about what replaces it; null if none was.

    ``clock`` is the source of ``issued_at``: the issuing machine's clock, or the issuer.
    """

    format: Literal["anchor-certificate/1"]
    certificate_no: str
    draft: bool
    issued_at: Time
    clock: Literal["machine", "given"]
    statement: Bilingual
    evidence: Evidence
    place: RecordPlace
    path: Path
    anchors: list[VerifiedAnchor]
    verification: Verification
    stated: Stated
    submitter: SubmitterEntry | None = None
    account: AccountDocument[Bilingual] | None = None
    capture: CaptureEntry | None = None
    trusted_timestamp: list[TimestampEntry] | None = None
    custody: list[CustodyEntry] | None = None
    signatures: list[SignatureEntry] | None = None
    notices: list[NoticeEntry] | None = None
    checks: Checks
    qr_text: str
    not_proven: list[Bilingual]
    assumptions: list[Bilingual]

    @property
    def anchor(self) -> VerifiedAnchor | None:
        """Return the anchor that the certificate is about; a draft may have none."""
        return self.anchors[0] if self.anchors else None


def encode_step(step: PathNode) -> PathStep:
    """Return a step as the certificate spells it."""
    side: Literal["left", "right"] = "left" if step.sibling_is_left else "right"
    return PathStep(side=side, sibling=step.sibling.hex(), node=step.node.hex())


def encode_transaction(shown: ShownTransaction) -> Transaction:
    """Return a transaction as the certificate spells it."""
    return Transaction(hash="0x" + shown.hash.hex(), nodes=list(shown.nodes))


def encode_certificate(certificate: Certificate) -> bytes:
    """Return the certificate's canonical bytes."""
    return encode_canonical(
        certificate.model_dump(mode="json"), subject=Message("certificate-as-subject")
    )


def numbered(certificate: Certificate) -> Certificate:
    """Return the certificate with a number: the issuer's, or one derived from the content."""
    if certificate.certificate_no:
        return certificate
    digest = hashlib.sha256(encode_certificate(certificate)).hexdigest()
    return certificate.model_copy(update={"certificate_no": f"AC-{digest[:16].upper()}"})
