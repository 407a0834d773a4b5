"""The registry's events, which serve only as an index: values are read from storage."""

from __future__ import annotations

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Anchor, Hash32
from anchor.ethereum.keccak import hash_keccak256

ANCHORED = hash_keccak256(b"Anchored(bytes32,bytes32,uint256,uint256,bytes32)")
"""The first topic of ``Anchored(log indexed, root indexed, size, sequence, previousRoot)``."""

SUCCEEDED = hash_keccak256(b"Succeeded(bytes32,bytes32,bytes32,uint256)")
"""The first topic of ``Succeeded(oldLog indexed, newLog indexed, fromRoot, size)``."""


def decode_takeover(data: bytes) -> Hash32:
    """Return the root from which the successor continues, from the event's data."""
    if len(data) != 64:
        raise MalformedError(Message("event-data-wrong-length", size=len(data)))
    return Hash32(data[:32])


def is_anchored_data(data: str, anchor: Anchor) -> bool:
    """Return whether the data of ``Anchored``, as JSON-RPC spells it, are of this anchor."""
    words = f"0x{anchor.size:064x}{anchor.sequence:064x}"
    return len(data) == len(words) + 64 and data.startswith(words)
