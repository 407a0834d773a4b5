"""The document that ``anchor status`` prints with ``--json``; docs/schemas has its schema."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from anchor.verification.report_json import (
    AddressText,
    ExitCodeNumber,
    Hex32,
    ReportDocument,
)

Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]+Z$")]


class LogDocument(ReportDocument):
    """Which log it is: number ``number`` of ``owner``, in one registry."""

    owner: AddressText
    number: Count
    registry: AddressText
    chain_id: int


class LogHeadDocument(ReportDocument):
    """A head of the log: how many leaves it has, and the root over them."""

    size: Count
    root: Hex32


class FinalAnchorDocument(LogHeadDocument):
    """The newest anchor that is final.

    ``included_at`` is its block's time, ``final_at`` when this project first saw it final; null
    where that was not noted.
    """

    sequence: int
    block_number: int
    included_at: Time
    final_at: Time | None


class UnprovenDocument(ReportDocument):
    """Final anchors of which no state proof could be made."""

    anchors: Count
    first_sequence: int
    reason: str


class OnChainDocument(ReportDocument):
    """Where the log stands on chain.

    ``head`` is null until the registry has one, ``final`` until an anchor is final.
    ``clock_off`` is null unless this machine's clock is off the chain's: by so many seconds at
    least, negative where it is behind.  ``reversible`` counts anchors in blocks that are not
    final, ``unanchored`` the leaves that are sealed and in no anchor.  ``low_on_funds``: balance
    or budget pay for fewer than ten more anchors at the fee cap; null where the key's address is
    not known.
    """

    head: LogHeadDocument | None
    final: FinalAnchorDocument | None
    clock_off: int | None
    reversible: Count
    unanchored: Count
    unproven: UnprovenDocument | None
    low_on_funds: bool | None


class CopiesDocument(ReportDocument):
    """On how many servers the store is now, and on how many it has to be."""

    count: Count
    required: Count


class StatusDocument(ReportDocument):
    """Where the log stands.

    ``accepted`` counts all evidence, ``waiting`` what is not sealed yet.  ``copies`` is null where
    one server is enough.  ``chain`` is null where
    the nodes could not be asked or are not to be believed; ``error`` then says why, and
    ``exit_code`` what the command ends with.
    """

    format: Literal["anchor-status/1"]
    time: Time
    log: LogDocument
    accepted: Count
    waiting: Count
    head: LogHeadDocument | None
    copies: CopiesDocument | None
    chain: OnChainDocument | None
    error: str | None
    hint: str | None
    exit_code: ExitCodeNumber
