"""The document that says what is left of erased evidence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from anchor.service.schemas import (
    DIGEST_PATTERN,
    Document,
    HeadAnchorDocument,
    Index,
    Number,
    ProblemDocument,
)


class PassedRetentionDocument(Document):
    """The retention date that had passed when the evidence was erased."""

    until: str
    source: Literal["record", "owner"]


class ErasureStatementDocument(Document):
    """The record that states the erasure (docs/erasure.md)."""

    number: Number
    leaf: Annotated[str, Field(pattern=DIGEST_PATTERN)]
    index: Index
    sha256: Annotated[str, Field(pattern=DIGEST_PATTERN, description="Of the statement's file.")]


class ErasedEventDocument(Document):
    """What was done with evidence that was erased, by whom and when; nothing of its content."""

    at: str
    actor: str
    action: str


class ErasureDocument(Document):
    """What is left of erased evidence: when and for whom it was erased, its leaf and its anchor."""

    erased_at: str
    by: Annotated[
        Literal["owner", "operator", "retention"] | None,
        Field(description="On whose behalf; null if the statement is lost."),
    ]
    actor: Annotated[
        str | None, Field(description="The owner or the key, as in the audit trail; or null.")
    ]
    basis: Annotated[str | None, Field(examples=["gdpr-17", "pipl-47", "other"])]
    retention: PassedRetentionDocument | None
    statement: ErasureStatementDocument | None
    leaf: Annotated[str, Field(pattern=DIGEST_PATTERN)]
    index: Index | None
    accepted_at: str | None
    anchor: HeadAnchorDocument | None
    events: Annotated[
        list[ErasedEventDocument] | None,
        Field(description="The newest hundred in the audit trail; null for who may not read that."),
    ]


class ErasedProblemDocument(ProblemDocument):
    """The answer for evidence that was erased."""

    erasure: ErasureDocument
