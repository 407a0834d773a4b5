"""The types of the domain: bytes inside the program, hex only in its inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, NewType

from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message

Hash32 = NewType("Hash32", bytes)
"""A 32-byte hash: a leaf, a node, a root, a block hash, a code hash or a transaction hash."""

Address = NewType("Address", bytes)
"""A 20-byte Ethereum address."""

LogId = NewType("LogId", bytes)
"""32 bytes: ``uint96 number ‖ owner address``, big-endian; the log belongs to that owner."""

ChainId = NewType("ChainId", int)

Assurance = Literal["rpc", "quorum", "asserted", "proof"]
"""How a chain's answer was obtained, from the weakest to the strongest.

``rpc``: from one node.  ``quorum``: from several nodes that agree.  ``asserted``: by a state proof
under a block hash that only the verifier vouches for.  ``proof``: by a state proof under a block
hash that the trust policy lists or several nodes agree on.
"""

StageName = Literal["accepted", "sealed", "submitted", "included", "anchored"]
"""A `Stage` as written in documents and URLs."""


class Stage(Enum):
    """The stage that one piece of evidence has reached; the members are in order."""

    ACCEPTED = "accepted"
    SEALED = "sealed"
    SUBMITTED = "submitted"
    INCLUDED = "included"
    ANCHORED = "anchored"

    @property
    def rank(self) -> int:
        """Return the stage's place in the order, from 0."""
        return list(Stage).index(self)


# The registry's packed anchor keeps 48 bits for a log's size.
MAX_LOG_SIZE = 2**48 - 1
MAX_LOG_NUMBER = 2**96 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A log's state after a batch: the Merkle root over its first ``size`` leaves."""

    root: Hash32
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The registry's entry for an anchored root (one packed slot).

    ``sequence`` counts the log's anchors from 1; ``block_number`` and ``timestamp`` (Unix seconds)
    are those of the block that stored it; ``operator_id`` is 0 for the log's owner.
    """

    size: int
    sequence: int
    block_number: int
    timestamp: int
    operator_id: int


def make_log_id(owner: Address, number: int) -> LogId:
    """Return the id of ``owner``'s log ``number``."""
    if not 0 <= number <= MAX_LOG_NUMBER:
        raise UsageError(Message("log-number-out-of-range", number=number))
    return LogId(number.to_bytes(12, "big") + owner)


def log_owner(log: LogId) -> Address:
    """Return the address that owns ``log``."""
    return Address(log[12:])


def log_number(log: LogId) -> int:
    """Return the owner's own number for ``log``."""
    return int.from_bytes(log[:12], "big")


def parse_hash(text: str, *, subject: str) -> Hash32:
    """Parse a 32-byte Ethereum hash: 0x and lower-case hex."""
    return Hash32(parse_hex(text, length=32, subject=subject, prefix=True))


def parse_hex(text: str, *, length: int, subject: str, prefix: bool) -> bytes:
    """Decode exactly ``length`` bytes of lower-case hex.

    ``prefix``: ``0x`` is required (Ethereum values), or else forbidden (SHA-256 values, as
    ``sha256sum`` prints them).  One spelling per value, so that equal values are equal texts.

    Raises:
        MalformedError: ``text`` has another form. The message names the value ``subject``.
    """
    count = length * 2
    digits = text[2:] if prefix and text.startswith("0x") else text
    is_marked = not prefix or text.startswith("0x")
    if is_marked and len(digits) == count and set(digits) <= set("0123456789abcdef"):
        return bytes.fromhex(digits)
    if prefix:
        raise MalformedError(Message("hex-with-prefix-malformed", subject=subject, count=count))
    raise MalformedError(Message("hex-malformed", subject=subject, count=count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block, named by its hash; ``timestamp`` in Unix seconds."""

    number: int
    hash: Hash32
    timestamp: int
