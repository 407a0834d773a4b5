"""The registry's events, which serve only as an index: values are read from storage."""

from __future__ import annotations

from anchor.errors import MalformedError
from anchor.ethereum.keccak import hash_keccak256
from anchor.messages.message import Message
from anchor.types import Hash32

SUCCEEDED = hash_keccak256(b"Succeeded(bytes32,bytes32,bytes32,uint256)")
"""The first topic of ``Succeeded(oldLog indexed, newLog indexed, fromRoot, size)``."""


def decode_takeover(data: bytes) -> Hash32:
    """Return the root from which the successor continues, from the event's data.

    Raises:
        MalformedError: The data is not two words long.
    """
    if len(data) != 64:
        raise MalformedError(Message("event-data-wrong-length", size=len(data)))
    return Hash32(data[:32])
