"""What ``anchor verify`` and ``anchor status`` print with ``--json``: documents with schemas."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["pass", "fail", "cannot tell", "not present"]
ExitCode = Annotated[int, Field(ge=0, le=130)]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PrefixedHex32 = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
AddressText = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
Count = Annotated[int, Field(ge=0)]
Time = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]+Z$")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepDocument(_Document):
    """One numbered step of docs/verification.md."""

    number: Annotated[int, Field(ge=1, le=10)]
    title: str
    verdict: Verdict
    detail: str


class ClaimDocument(_Document):
    """One statement, with the verdict on it and what that rests on."""

    id: Annotated[str, Field(pattern=r"^C[1-9]$")]
    title: str
    verdict: Verdict
    reason: str


class ChainDocument(_Document):
    """What this release knows of a chain; ``tested``: it was run against that chain itself."""

    name: str
    kind: Literal["main", "test", "development", "unlisted"]
    tested: bool


class ProvenAnchorDocument(_Document):
    """An anchor that passed every step; ``existed_no_later_than`` is a time in UTC (RFC 3339).

    ``seconds_since_recorded`` is how long before that the record says it was made.
    """

    chain_id: int
    chain: ChainDocument
    registry: AddressText
    log: PrefixedHex32
    root: Hex32
    index: int
    size: int
    sequence: int
    block_number: int
    timestamp: int
    submitter: AddressText
    final_block_number: int
    final_block_hash: PrefixedHex32
    existed_no_later_than: str
    seconds_since_recorded: int
    assurance: Literal["rpc", "quorum", "asserted", "proof"]
    finality: Literal["observed", "asserted"]


class FileDocument(_Document):
    """What was found about one file.

    ``unpinned`` is what no policy pins, ``statements`` are members of the record that nothing
    checks, and ``notes`` are lines that are no findings.
    """

    file: str
    exit_code: ExitCode
    headline: str
    steps: list[StepDocument]
    claims: list[ClaimDocument]
    anchors: list[ProvenAnchorDocument]
    unpinned: list[str]
    statements: list[str]
    notes: list[str]
    not_proven: list[str]


class UnreadFileDocument(_Document):
    """A file that could not be judged, one of several."""

    file: str
    exit_code: ExitCode
    error: str


class PolicyDocument(_Document):
    """A trust policy that the run rests on, the SHA-256 of its bytes and where it came from.

    ``dropped``: on the verifier page, and the person said that it is theirs.
    """

    file: str
    sha256: Hex32
    source: Literal["option", "environment", "user", "project", "dropped"]


class UnusedProjectDocument(_Document):
    """A project that was found around and does not count."""

    config: str
    reason: str


class VerificationDocument(_Document):
    """The whole run; ``exit_code`` is the gravest of the files'."""

    format: Literal["anchor-verify/1"]
    exit_code: ExitCode
    policies: list[PolicyDocument]
    unused_project: UnusedProjectDocument | None
    nodes: list[str]
    files: list[FileDocument | UnreadFileDocument]


class LogDocument(_Document):
    """Which log it is: number ``number`` of ``owner``, in one registry."""

    owner: AddressText
    number: Count
    registry: AddressText
    chain_id: int


class LogHeadDocument(_Document):
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


class UnprovenDocument(_Document):
    """Final anchors of which no state proof could be made."""

    anchors: Count
    first_sequence: int
    reason: str


class OnChainDocument(_Document):
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


class CopiesDocument(_Document):
    """On how many servers the store is now, and on how many it has to be."""

    count: Count
    required: Count


class StatusDocument(_Document):
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
    exit_code: ExitCode
