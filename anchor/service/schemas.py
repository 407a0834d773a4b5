"""The service's documents and the parameters of its routes, as its OpenAPI page describes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from anchor.base.types import MAX_LOG_SIZE, StageName
from anchor.evidence.preservation_number import PATTERN
from anchor.evidence.record_notice import NoticeKind

DIGEST_PATTERN = r"^[0-9a-f]{64}$"
# An idempotency key is printable ASCII, which HTTP headers carry unchanged.
KEY_PATTERN = r"^[!-~]{1,255}$"

_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_ID = "9f86d081884c7d659a2feaa0c55ad015" + "3b1de8ec6cd1b0ab2ed1a7c8a1d0a6a5"
_ROOT = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"


Digest = Annotated[str, Field(pattern=DIGEST_PATTERN, examples=[_DIGEST])]
Id = Annotated[str, Field(pattern=DIGEST_PATTERN, examples=[_ID])]
Number = Annotated[
    str,
    Field(
        pattern=PATTERN,
        examples=["BZPE-PSQZ-S1QK-HPAJ-0"],
        description="The preservation number: the first 80 bits of the record's SHA-256.",
    ),
]
Index = Annotated[int, Field(ge=0, lt=MAX_LOG_SIZE)]
Size = Annotated[int, Field(ge=1, le=MAX_LOG_SIZE)]


IdInPath = Annotated[str, Path(pattern=DIGEST_PATTERN, description="As the submission's answer.")]
NextPage = Annotated[str | None, Field(description="`after` of the next page; null on the last.")]
WaitSeconds = Annotated[
    float, Query(ge=0, le=60, description="Answer only when it is so far, or after so long.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Names the submission: repeated with it, it is the same one. 1 to 255 "
        "printable ASCII characters.",
        json_schema_extra={"pattern": KEY_PATTERN},
    ),
]


class Document(BaseModel):
    """A document without unknown members."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LogStateDocument(Document):
    """A state of the log: the Merkle root over its first ``size`` leaves."""

    size: Size
    root: Annotated[str, Field(pattern=DIGEST_PATTERN, examples=[_ROOT])]


FinalAfterBlocks = Annotated[
    int | None,
    Field(
        ge=0,
        description="After how many following blocks the service counts an anchor as final, not "
        "confirmed by the nodes; null where the nodes say what is final.",
    ),
]


class HeadAnchorDocument(LogStateDocument):
    """A head in the registry; ``final``: its block is final, or counts as final."""

    final: bool
    final_after_blocks: FinalAfterBlocks = None
    sequence: Annotated[int, Field(ge=1)]
    block_number: Annotated[int, Field(ge=0)]
    timestamp: Annotated[int, Field(ge=0, description="The block's, in seconds since 1970.")]


class StatusNoticeDocument(Document):
    """What the log's operator states: the evidence is superseded by another record, or withdrawn.

    ``replacement`` is the SHA-256 of that record, null if it is withdrawn.
    """

    kind: NoticeKind
    replacement: Digest | None
    reason: str
    at: str
    actor: str


class RetentionDocument(Document):
    """Until when evidence is kept; some time after that it may be erased by itself."""

    until: str
    source: Annotated[
        Literal["record", "owner"], Field(description="Whether the record says so, or an owner.")
    ]
    beaten_by: Annotated[
        Literal["hold", "record-hold", "case", "audit-trail", "shared", "refused"] | None,
        Field(description="What kept it from being erased at the last try."),
    ]


class KeptCopyDocument(Document):
    """A copy of the original that the tenant keeps, or tried to.

    It is kept once its bytes were compared with the evidence, and scanned where the operator does.
    """

    state: Literal["receiving", "checking", "waiting", "kept", "refused"]
    length: Annotated[int, Field(ge=0, description="In bytes.")]
    received: Annotated[int, Field(ge=0, description="How many of them have arrived.")]
    reason: Annotated[
        Literal["other-bytes", "infected", "damaged"] | None,
        Field(description="Why it was refused: its bytes are then deleted."),
    ]
    upload: Annotated[
        str | None, Field(description="Where its upload goes on, while bytes are missing.")
    ]


class EvidenceStatusDocument(Document):
    """The status of one piece of evidence."""

    id: Id
    number: Annotated[Number | None, Field(description="Null if the record is lost.")]
    state: StageName
    leaf: Annotated[str, Field(pattern=DIGEST_PATTERN, description="SHA-256(0x00 ‖ record).")]
    index: Annotated[Index | None, Field(description="Its place in the log, once it is sealed.")]
    anchor: Annotated[
        HeadAnchorDocument | None,
        Field(description="The first final anchor that covers it, or else the first there is."),
    ]
    notice: Annotated[
        StatusNoticeDocument | None,
        Field(description="The notice about it, which is a record of its own, or null."),
    ] = None
    notice_erased: Annotated[
        bool, Field(description="There was a notice about it, whose record was erased or lost.")
    ] = False
    retention: Annotated[
        RetentionDocument | None, Field(description="Its retention date, or null.")
    ] = None
    kept_copy: Annotated[
        KeptCopyDocument | None, Field(description="The copy of the original, or null.")
    ] = None


class ListedEvidenceDocument(Document):
    """One piece of a tenant's evidence in a list."""

    id: Id
    number: Annotated[Number | None, Field(description="Null if the record is lost.")]
    name: Annotated[str | None, Field(description="As in the record; null if that is lost.")]
    size: Annotated[int | None, Field(ge=0, description="In bytes, if it is known.")]
    accepted_at: str
    state: StageName
    index: Annotated[Index | None, Field(description="Its place in the log, once it is sealed.")]
    anchor: HeadAnchorDocument | None
    retention: RetentionDocument | None = None


class EvidenceList(Document):
    """Evidence, the newest first; ``next`` is the value of ``cursor`` for the next page."""

    evidence: list[ListedEvidenceDocument]
    next: str | None


class FieldErrorDocument(Document):
    """An error in one member or parameter."""

    pointer: Annotated[str, Field(description="A JSON pointer (/sha256), or a parameter's name.")]
    message: str


class ProblemDocument(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    id: Annotated[str, Field(description="Names what `detail` says, for programs.")]
    errors: list[FieldErrorDocument] = []


class Ready(Document):
    """The service can accept evidence."""

    status: Literal["ready"]


class Alive(Document):
    """The process responds."""

    status: Literal["alive"]


SUBMISSION_EXAMPLES: dict[str, Any] = {
    "digest": {"summary": "A digest", "value": {"sha256": _DIGEST, "name": "contract.pdf"}},
    "digests": {
        "summary": "Both digests, and what else is known",
        "value": {
            "sha256": _DIGEST,
            "sm3": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
            "size": 4,
            "name": "contract.pdf",
            "media_type": "application/pdf",
        },
    },
}

_DETAILS = {
    400: "It cannot be read.",
    401: "No usable API key.",
    403: "The API key is for something else.",
    404: "There is no such thing, or it is another tenant's.",
    408: "The body did not come in time.",
    405: "The address does not take that method.",
    409: "It is not that far yet, or the tenant would lose its last owner.",
    410: "It was erased.",
    412: "`Tus-Resumable` is missing, or names another version.",
    413: "It is too long.",
    415: "It is of another media type, or compressed.",
    416: "The copy ends before that range.",
    422: "A member or parameter is not as it has to be; `errors` names it.",
    429: "The tenant's quota is used up, it does too much at once, or too much comes from this "
    "address; `Retry-After` says when.",
    500: "A bug.",
    503: "The service cannot do it now; `Retry-After` says when to try again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of a route for the OpenAPI document."""
    everywhere = {400, 405, 415, 429, 500, 503}
    return {
        status: {"model": ProblemDocument, "description": _DETAILS[status]}
        for status in sorted({*statuses, *everywhere})
    }
