"""A record's ``not_before``: the block that a record names, so that it cannot be older than it.

A block's hash cannot be known before the block exists; a record that holds it was made later.  The
member is ``{"chain_id": N, "block_number": N, "block_hash": "0x…"}``; ``docs/spec/record.md`` is
the specification.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from anchor.base.canonical import MAX_INTEGER, JsonValue
from anchor.base.types import Block, ChainId, Hash32

MEMBER = "not_before"
_MEMBERS = {"chain_id", "block_number", "block_hash"}
_HASH = re.compile(r"0x[0-9a-f]{64}")
_ENCODED = re.compile(
    r'\{"block_hash":"0x([0-9a-f]{64})","block_number":(0|[1-9][0-9]{0,15}),'
    r'"chain_id":([1-9][0-9]{0,15})\}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBefore:
    """The block that a record names: the record was made after that block, or names a fiction."""

    chain_id: ChainId
    block_number: int
    block_hash: Hash32

    @classmethod
    def of(cls, chain_id: ChainId, block: Block) -> NotBefore:
        """Return the member that names ``block`` of a chain."""
        return cls(chain_id=chain_id, block_number=block.number, block_hash=block.hash)

    @classmethod
    def decode(cls, text: str) -> NotBefore:
        """Return the block of a member's canonical JSON."""
        match = _ENCODED.fullmatch(text)
        if match is None or max(int(match[2]), int(match[3])) > MAX_INTEGER:
            raise ValueError("not a block in its canonical form")
        return cls(
            chain_id=ChainId(int(match[3])),
            block_number=int(match[2]),
            block_hash=Hash32(bytes.fromhex(match[1])),
        )

    def encode(self) -> str:
        """Return the member's canonical JSON (RFC 8785)."""
        return (
            f'{{"block_hash":"0x{self.block_hash.hex()}","block_number":{self.block_number},'
            f'"chain_id":{self.chain_id}}}'
        )


def parse_not_before(value: JsonValue) -> NotBefore | None:
    """Return the block that a record's ``not_before`` names; None if it has another form.

    A record with another form is valid all the same: the member is then the operator's statement.
    """
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        return None
    chain_id, number, digits = value["chain_id"], value["block_number"], value["block_hash"]
    # In Python, True is an integer.
    if type(chain_id) is not int or not 1 <= chain_id <= MAX_INTEGER:
        return None
    if type(number) is not int or not 0 <= number <= MAX_INTEGER:
        return None
    if not isinstance(digits, str) or not _HASH.fullmatch(digits):
        return None
    return NotBefore(
        chain_id=ChainId(chain_id),
        block_number=number,
        block_hash=Hash32(bytes.fromhex(digits[2:])),
    )
