"""The documents of a submission and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from anchor.base.canonical import MAX_INTEGER
from anchor.base.types import StageName
from anchor.evidence.record import MAX_NAME_CHARACTERS, MAX_RECORD_BYTES
from anchor.evidence.record_groups import RecordGroups
from anchor.service.schemas import Digest, Document, Id, Number

# RFC 6838 names have at most 127 characters on each side; parameters follow.
_MAX_MEDIA_TYPE_CHARACTERS = 255


_MEDIA_TYPE_PATTERN = r"^[!-~]+/[!-~]+(?:[ -~]*[!-~])?$"


def _check_name(name: str) -> str:
    if "\0" in name:
        raise ValueError("holds a NUL character")
    return name


Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME_CHARACTERS,
        description="Goes into the record; without it the digest is the name.",
        examples=["contract.pdf"],
    ),
    AfterValidator(_check_name),
]


MediaType = Annotated[
    str,
    Field(
        pattern=_MEDIA_TYPE_PATTERN,
        max_length=_MAX_MEDIA_TYPE_CHARACTERS,
        description="Without it the name's ending says it, or nothing does.",
        examples=["application/pdf"],
    ),
]


Copies = Annotated[
    int,
    Field(
        ge=1,
        description="On how many servers it is; only where the service keeps more than one copy.",
    ),
]


class DigestSubmission(Document):
    """Evidence named by its digests: ``sha256``, ``sm3`` or both."""

    sha256: Digest | None = None
    sm3: Digest | None = None
    size: Annotated[int, Field(ge=0, le=MAX_INTEGER, description="In bytes.")] | None = None
    name: Name | None = None
    media_type: MediaType | None = None
    groups: Annotated[
        RecordGroups | None,
        Field(
            description="How it was collected; docs/record-groups.md names the members. With it, "
            "even empty, the record names who submitted it."
        ),
    ] = None


def read_digests(members: Mapping[str, object]) -> DigestSubmission | set[int | str]:
    """Return the submission in these members, or the names of the malformed ones."""
    # The model accepts null for an optional member; here it is refused.
    values = {name: False if value is None else value for name, value in members.items()}
    try:
        return DigestSubmission.model_validate(values, strict=True)
    except ValidationError as error:
        return {fault["loc"][0] for fault in error.errors()}


class RecordSubmission(Document):
    """A record that the client made itself (``evidence-record/1``)."""

    record: Annotated[
        str,
        Field(
            max_length=MAX_RECORD_BYTES,
            description="The record's exact canonical bytes (RFC 8785), as a string.",
        ),
    ]


class AcceptedDocument(Document):
    """The outcome of a submission, which is on disk when this is sent."""

    id: Id
    number: Number | None = None
    state: StageName
    known: Annotated[bool, Field(description="It was submitted before.")]
    copies: Copies | None = None
