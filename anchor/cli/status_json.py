"""The document that ``anchor status`` prints with ``--json``; docs/schemas has its schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from anchor.verification.report_json import (
    AddressText,
    ExitCodeNumber,
    Hex32,
    ReportDocument,
)

Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]+Z$")]


class LogDocument(ReportDocument):
    """The log's identity: number ``number`` of ``owner``, in one registry.

    ``final_after_blocks`` is absent unless the project, and not the nodes, decides that an anchor
    is final: after so many following blocks.
    """

    owner: AddressText
    number: Count
    registry: AddressText
    chain_id: int
    final_after_blocks: Count | None = None

    @model_serializer(mode="wrap")
    def _leave_out(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        members: dict[str, Any] = serialize(self)
        if self.final_after_blocks is None:
            del members["final_after_blocks"]
        return members


class LogHeadDocument(ReportDocument):
    """A head of the log: its number of leaves, and the root over them."""

    size: Count
    root: Hex32


class FinalAnchorDocument(LogHeadDocument):
    """The newest final anchor.

    ``included_at`` is its block's time.  ``final_at`` is when this project first saw the anchor
    final, or null if it was not recorded.
    """

    sequence: int
    block_number: int
    included_at: Time
    final_at: Time | None


class UnprovenDocument(ReportDocument):
    """Final anchors for which no state proof could be made."""

    anchors: Count
    first_sequence: int
    reason: str


class OnChainDocument(ReportDocument):
    """The log's state on chain.

    ``head`` is null until the registry has one, ``final`` until an anchor is final.  ``clock_off``
    is by how many seconds at least this machine's clock differs from the chain's time (negative:
    behind), or null if it may be right.  ``reversible`` counts anchors in blocks that are not
    final, ``unanchored`` the sealed leaves without an anchor.  ``low_on_funds`` is true if balance
    or budget pay for fewer than ten more anchors at the fee cap, and null if the key's address is
    unknown.
    """

    head: LogHeadDocument | None
    final: FinalAnchorDocument | None
    clock_off: int | None
    reversible: Count
    unanchored: Count
    unproven: UnprovenDocument | None
    low_on_funds: bool | None


class CopiesDocument(ReportDocument):
    """The number of servers that hold the store now, and the number required."""

    count: Count
    required: Count


class RetentionCountsDocument(ReportDocument):
    """How many pieces have a retention date, of how many it passed, and what keeps those."""

    dated: Count
    passed: Count
    beaten: Count


class UnfinishedErasuresDocument(ReportDocument):
    """How many erasures may have left data on disk, and when the oldest was ordered."""

    unfinished: Count
    oldest_at: Time | None


class StatusDocument(ReportDocument):
    """The log's state.

    ``accepted`` counts all evidence, ``waiting`` the evidence that is not sealed yet.  ``copies``
    is null if one server is enough.  ``retention`` counts retention dates, ``erasures`` unfinished
    erasures.  ``chain`` is null if the nodes could not be queried or cannot be relied on; ``error``
    then states the reason, and ``exit_code`` is that of the command.
    """

    format: Literal["anchor-status/1"]
    time: Time
    log: LogDocument
    accepted: Count
    waiting: Count
    head: LogHeadDocument | None
    copies: CopiesDocument | None
    retention: RetentionCountsDocument
    erasures: UnfinishedErasuresDocument
    chain: OnChainDocument | None
    error: str | None
    hint: str | None
    exit_code: ExitCodeNumber
