"""The issuer's statements about the evidence (``anchor-certificate-details/1``).

None of them is verified: a certificate marks each statement as the issuer's, and shows a missing
one as "not provided".  ``docs/certificate.md`` lists the members.
"""

from __future__ import annotations

import tomllib
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from anchor.canonical import parse_strict
from anchor.errors import AnchorError, MalformedError, UnknownVersionError
from anchor.evidence.digests import Digests, parse_digest
from anchor.messages.message import Message
from anchor.messages.validation import describe_fault

FORMAT = "anchor-certificate-details/1"
# Ample for a hand-written file, and a limit if the path is wrong.
MAX_DETAILS_BYTES = 1 << 20
MAX_EXHIBITS = 1_000
# A statement is a sentence or a paragraph; a longer text should be an exhibit of its own.
MAX_CHARACTERS = 1_000
# Parsing a dotted TOML key takes time quadratic in its parts.
_MAX_DOTS = 500
# Control and format characters (including direction overrides), surrogates, unassigned, line ends.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError(Message("details-member-empty"))
    if any(unicodedata.category(character) in _UNPRINTABLE for character in text):
        raise ValueError(Message("details-member-unprintable"))
    return text


def _check_digest(text: str) -> str:
    try:
        parse_digest(text)
    except AnchorError as error:
        raise ValueError(error.message) from error
    return text


Statement = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(_check_text)] | None
"""A sentence of the issuer's; None: not provided."""


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Case(_Document):
    """The proceedings for which the evidence is submitted."""

    court: Statement = None
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


class Exhibit(Collection):
    """One exhibit: its place in the case file, and how it was collected."""

    certificate_no: Statement = None
    exhibit_no: Statement = None
    category: Statement = None
    title: Statement = None
    content_summary: Statement = None
    purpose_of_proof: Statement = None


class _ExhibitEntry(Exhibit):
    digest: Annotated[str, AfterValidator(_check_digest)]


class Details(_Document):
    """The document of the issuer's statements."""

    format: Literal["anchor-certificate-details/1"] = "anchor-certificate-details/1"
    case_reference: Statement = None
    case: Case = Case()
    issuer: Issuer = Issuer()
    depositor: Depositor = Depositor()
    platform: Platform = Platform()
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
    """Parse a details file, TOML or JSON.

    Raises:
        MalformedError: The bytes are not such a document, or a member is unknown or malformed.
        UnknownVersionError: The document has another format.
    """
    if len(data) > MAX_DETAILS_BYTES:
        raise MalformedError(Message("details-too-long", limit=MAX_DETAILS_BYTES))
    value = (
        parse_strict(data, subject=Message("details-as-subject"), max_bytes=MAX_DETAILS_BYTES)
        if is_json
        else _parse_toml(data)
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


def _parse_toml(data: bytes) -> object:
    if any(line.count(b".") > _MAX_DOTS for line in data.splitlines()):
        raise MalformedError(Message("details-line-too-dotted", limit=_MAX_DOTS))
    try:
        return tomllib.loads(data.decode("utf-8"))
    # tomllib passes on errors of int() and of the recursion limit.
    except (ValueError, RecursionError) as error:
        raise MalformedError(Message("details-not-toml", reason=error)) from error
