"""The issuer's statements about the evidence (``anchor-certificate-details/1``).

None of them is verified: a certificate marks each statement as the issuer's, and shows a missing
one as "not provided".  ``docs/certificate.md`` lists the members.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from anchor.base.canonical import parse_strict
from anchor.base.digests import Digests, parse_digest
from anchor.base.errors import AnchorError, MalformedError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.messages.validation import describe_fault
from anchor.base.system.details_toml import MAX_DETAILS_BYTES, parse_details_toml
from anchor.evidence.statement_text import DigestText, StatementText
from anchor.people.case_rules import MAX_PARTIES

FORMAT = "anchor-certificate-details/1"
MAX_EXHIBITS = 1_000
MAX_DEPOSITS = 20
# A QR code of the size on the page still can be read.
MAX_ADDRESS = 200
_ADDRESS = re.compile(rf"(?=.{{1,{MAX_ADDRESS}}}\Z)https?://[\x21-\x7e]+", re.ASCII)


def _check_digest(text: str) -> str:
    try:
        parse_digest(text)
    except AnchorError as error:
        raise ValueError(error.message) from error
    return text


def _check_address(text: str) -> str:
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError(Message("details-record-address-malformed", limit=MAX_ADDRESS))
    return text


RecordAddress = Annotated[str, AfterValidator(_check_address)]
Statement = StatementText | None
"""A sentence of the issuer's; None: not provided."""


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class CaseParty(_Document):
    """A party to the proceedings, by role and name."""

    role: StatementText
    name: StatementText

    def __str__(self) -> str:
        """Return the party on one line."""
        return f"{self.role}：{self.name}"


class Case(_Document):
    """The proceedings for which the evidence is submitted."""

    court: Statement = None
    parties: Annotated[list[CaseParty], Field(max_length=MAX_PARTIES)] = []
    submitted_by: Statement = None
    submitted_at: Statement = None


class Issuer(_Document):
    """The issuer of the certificate, and the contact for objections to it."""

    name: Statement = None
    contact: Statement = None


class Depositor(_Document):
    """The party whose evidence it is."""

    name: Statement = None
    identity: Statement = None


class RegisteredSubmitter(_Document):
    """Who submitted the evidence for the depositor, as registered with the service.

    ``account`` is the person's or key's id there, as the record names it.
    """

    name: Statement = None
    account: Statement = None


class Platform(_Document):
    """The preservation platform, in the points that a court examines (art. 17 of the rules)."""

    legal_name: Statement = None
    registration_no: Statement = None
    blockchain_filing_no: Statement = None
    mlps_level: Statement = None
    conflict_of_interest_statement: Statement = None
    fees: Statement = None


class Collection(_Document):
    """How an exhibit was generated and collected before it was recorded (art. 18 of the rules)."""

    origin: Statement = None
    generation_mechanism: Statement = None
    generated_at: Statement = None
    storage_history: Statement = None
    holder: Statement = None
    started_at: Statement = None
    ended_at: Statement = None
    place: Statement = None
    method: Statement = None
    operator: Statement = None
    witnesses: Statement = None
    modifications: Statement = None


class ExternalDeposit(_Document):
    """What another platform returned when the same digest was deposited there."""

    platform: StatementText
    evidence_id: Statement = None
    tx_hash: Statement = None
    block_height: Statement = None
    time: Statement = None
    certificate_sha256: DigestText | None = None


class Exhibit(Collection):
    """One exhibit: its place in the case file, and how it was collected.

    ``record_address`` is where the record can be looked up; the QR code holds it beside the text.
    """

    certificate_no: Statement = None
    exhibit_no: Statement = None
    category: Statement = None
    title: Statement = None
    content_summary: Statement = None
    purpose_of_proof: Statement = None
    record_address: RecordAddress | None = None
    external_deposits: Annotated[list[ExternalDeposit], Field(max_length=MAX_DEPOSITS)] = []


class _ExhibitEntry(Exhibit):
    digest: Annotated[str, AfterValidator(_check_digest)]


class Declarant(_Document):
    """The person who may sign a paper: only the drafts of ``anchor certify --papers`` name them."""

    name: Statement = None
    position: Statement = None
    organisation: Statement = None
    qualification: Statement = None
    accuracy: Statement = None
    regular_activity: Statement = None
    regular_practice: Statement = None


class Details(_Document):
    """The document of the issuer's statements.

    ``exhibits_stated_by`` is whose statements ``case_reference``, ``case`` and ``exhibits`` are:
    the service repeats those that the depositor entered in a case.
    """

    format: Literal["anchor-certificate-details/1"] = "anchor-certificate-details/1"
    case_reference: Statement = None
    case: Case = Case()
    issuer: Issuer = Issuer()
    depositor: Depositor = Depositor()
    submitter: RegisteredSubmitter = RegisteredSubmitter()
    exhibits_stated_by: Literal["issuer", "depositor"] = "issuer"
    platform: Platform = Platform()
    declarant: Declarant = Declarant()
    exhibits: Annotated[list[_ExhibitEntry], Field(max_length=MAX_EXHIBITS)] = []

    def find_exhibit(self, digests: Digests) -> Exhibit:
        """Return the statements about the evidence with these digests.

        Raises:
            MalformedError: Two entries are about it.
        """
        entries = [entry for entry in self.exhibits if is_about(entry.digest, digests)]
        if len(entries) > 1:
            raise MalformedError(Message("details-exhibit-repeated", digest=entries[1].digest))
        if not entries:
            return Exhibit()
        return Exhibit(**entries[0].model_dump(exclude={"digest"}))


def is_about(digest: str, digests: Digests) -> bool:
    """Return whether an entry's ``digest`` is one of ``digests``."""
    algorithm, value = parse_digest(digest)
    return value == {"sha256": digests.sha256, "sm3": digests.sm3}[algorithm]


def parse_details(data: bytes, *, is_json: bool) -> Details:
    """Parse a details file, TOML or JSON."""
    value = (
        parse_strict(data, subject=Message("details-as-subject"), max_bytes=MAX_DETAILS_BYTES)
        if is_json
        else parse_details_toml(data)
    )
    if not isinstance(value, dict):
        raise MalformedError(Message("details-not-object"))
    if value.get("format") != FORMAT:
        stated = str(value.get("format"))[:80]
        raise UnknownVersionError(Message("details-format-unknown", actual=stated, expected=FORMAT))
    try:
        return Details.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedError(
            Message("details-member-invalid", member=where[:80], reason=describe_fault(first))
        ) from error
