"""The documents of certificates: what is ordered, issued and revoked."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field, ValidationError

from anchor.service.schemas import Document, NextPage, ProblemDocument

_CERTIFICATE = "1f0c5a86b7b54dd1a6d2f0c4f8b3a9d2"


CertificateId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="As the order returns.")]


FileKind = Annotated[Literal["json", "html", "pdf"], Path(description="The file's format.")]


class RevocationDocument(Document):
    """When and why a certificate was revoked."""

    at: str
    reason: Annotated[
        str | None, Field(description="Null if the evidence was erased since: the reason with it.")
    ]


class IssueDocument(Document):
    """When a certificate was issued, and whether it was revoked since."""

    issued_at: str
    revocation: RevocationDocument | None


class CertificateDocument(Document):
    """A certificate that was ordered: waiting, issued, refused or revoked."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=[_CERTIFICATE])]
    state: Literal["waiting", "issued", "refused", "revoked"]
    requested_at: str
    number: Annotated[str | None, Field(description="The number that it bears.")]
    issued_at: str | None
    files: Annotated[dict[str, str], Field(description="SHA-256 of each file, by its format.")]
    refusal: Annotated[ProblemDocument | None, Field(description="Why it was not issued.")]
    revocation: RevocationDocument | None


class CertificatesDocument(Document):
    """A page of the certificates of a piece of evidence, the first order first."""

    certificates: list[CertificateDocument]
    next: NextPage


class Revocation(Document):
    """Why a certificate is revoked."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


def read_reason(value: object) -> str | None:
    """Return the reason of a revocation; None if this is not one."""
    try:
        return Revocation.model_validate(value, strict=True).reason
    except ValidationError:
        return None
