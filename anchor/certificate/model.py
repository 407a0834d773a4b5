"""``anchor-certificate/1``: the certificate itself, of which HTML and PDF are renderings.

RFC 8785 bytes.  A member is null where nothing verified it, or nobody provided it; hints of a
receipt, such as a transaction's hash, are in neither group and not here.  ``docs/certificate.md``
is the specification.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field

from anchor.canonical import encode_canonical
from anchor.certificate.statements import Depositor, Exhibit, Issuer, Platform
from anchor.ethereum.known_chains import ChainKind
from anchor.log.merkle import PathNode
from anchor.messages.message import Message, translate
from anchor.types import Assurance
from anchor.verification.report_json import (
    AddressText,
    ClaimDocument,
    Hex32,
    PrefixedHex32,
    ReportDocument,
    StepDocument,
)

FORMAT: Literal["anchor-certificate/1"] = "anchor-certificate/1"

Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]


class Bilingual(ReportDocument):
    """The same in Chinese and English."""

    zh: str
    en: str


def bilingual(message: Message) -> Bilingual:
    """Return a message in both languages."""
    return Bilingual(zh=translate(message, "zh"), en=str(message))


class Evidence(ReportDocument):
    """What was compared with the record.  ``recorded_at`` is the operator's own clock: a claim.

    ``statements`` are members of the record that the format does not know: the operator's own
    statements, which nothing checks.
    """

    name: str
    media_type: str | None
    size: int | None
    sha256: Hex32 | None
    sm3: Hex32 | None
    recorded_at: Time
    statements: list[str]


class RecordPlace(ReportDocument):
    """The record and its place in the log: SHA-256 of its bytes, and its leaf."""

    record_sha256: Hex32
    leaf: Hex32
    log: PrefixedHex32
    owner: AddressText
    index: int


class PathStep(ReportDocument):
    """One step up: ``sibling`` stands on ``side``, and both hash to ``node``."""

    side: Literal["left", "right"]
    sibling: Hex32
    node: Hex32


class Path(ReportDocument):
    """The way from the leaf to the root over ``size`` leaves."""

    root: Hex32
    size: int
    steps: list[PathStep]


class ReliedOn(ReportDocument):
    """The final block by which the registry's state was read or proven."""

    number: int
    hash: PrefixedHex32


class VerifiedAnchor(ReportDocument):
    """A verified anchor.

    ``chain`` is a CAIP-2 name; a chain id alone can be claimed by any chain, so ``genesis`` is what
    the trust policy or the release pins, null without either.  ``kind`` is what the release knows
    of the chain.  ``anchored_at`` is the block's time, and ``seconds_since_recorded`` how long
    before ``existed_no_later_than`` the record says it was made.
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
    existed_no_later_than: Time
    seconds_since_recorded: int
    submitter: AddressText
    operator_id: str
    relied_on: ReliedOn
    assurance: Assurance
    finality: Literal["observed", "asserted"]


class Policy(ReportDocument):
    """A trust policy that counted: its file's name, its bytes' SHA-256 and where it came from."""

    name: str
    sha256: Hex32
    source: Literal["option", "environment", "user", "project"]


class Verification(ReportDocument):
    """What was verified, when and against what.

    ``retrieved_at`` is when nodes were asked; null where none was.  ``policies`` are what the
    issuer's trust policy was read from; ``unpinned`` says what was taken from the receipt, and
    ``notes`` are lines that are no findings.
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
    """A command that redoes a part of the verification, and the line that it has to print."""

    title: Bilingual
    command: str
    prints: str


class Checks(ReportDocument):
    """How to verify without us: ``set_up`` defines what the commands use."""

    set_up: str
    commands: list[Command]


class Stated(ReportDocument):
    """The issuer's statements, which nothing verified; null: not provided."""

    case_reference: str | None
    issuer: Issuer
    depositor: Depositor
    platform: Platform
    exhibit: Exhibit


class Certificate(ReportDocument):
    """The whole certificate; ``qr_text`` is what its QR code holds.

    ``clock`` says where ``issued_at`` comes from: the issuing machine's clock, or the issuer.  The
    members that are always null have no record yet from which they could be filled.
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
    trusted_timestamp: None = None
    environment: None = None
    cleanliness_check: None = None
    custody: None = None
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


def encode_certificate(certificate: Certificate) -> bytes:
    """Return the certificate's canonical bytes."""
    return encode_canonical(
        certificate.model_dump(mode="json"), subject=Message("certificate-as-subject")
    )


def numbered(certificate: Certificate) -> Certificate:
    """Give the certificate a number of its own content, where the issuer names none."""
    if certificate.certificate_no:
        return certificate
    digest = hashlib.sha256(encode_certificate(certificate)).hexdigest()
    day = certificate.issued_at[:10].replace("-", "")
    return certificate.model_copy(update={"certificate_no": f"AC-{day}-{digest[:16].upper()}"})
