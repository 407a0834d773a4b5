"""The documents of what has a number."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from anchor.base.types import StageName
from anchor.service.certificate_schemas import IssueDocument
from anchor.service.schemas import Document, HeadAnchorDocument

NumberInPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        description="A preservation number in any spelling; a certificate's number; or the SHA-256 "
        "of a record, a digest of evidence, an id, a leaf hash, a root or a transaction hash: 64 "
        "hex digits.",
        examples=["BZPE-PSQZ-S1QK-HPAJ-0"],
    ),
]


class NumberMatchDocument(Document):
    """What has a number: state, times by the operator's clock, and anchor; no name or digest.

    Of erased evidence there is only the leaf.
    """

    kind: Annotated[
        Literal[
            "preservation-number",
            "certificate",
            "record",
            "sha256",
            "sm3",
            "id",
            "leaf",
            "root",
            "transaction",
        ],
        Field(description="A root and a transaction are of a head, not of evidence."),
    ]
    state: StageName
    erased: bool
    accepted_at: str | None
    sealed_at: str | None
    anchor: HeadAnchorDocument | None
    certificate: Annotated[
        IssueDocument | None, Field(description="Of the certificate that bears the number.")
    ]


class NumberMatches(Document):
    """Everything that has a number, or ``more`` than 100; several records may have one."""

    matches: Annotated[list[NumberMatchDocument], Field(min_length=1, max_length=100)]
    more: bool
