"""The registry's storage layout, which is public API: the slot and packing of each value.

``contracts/AnchorRegistry.sol`` states the same slots in its NatSpec and a test reads them raw.
A Solidity mapping at slot ``p`` keeps the value of ``key`` at ``keccak256(key ‖ p)``, both padded
to 32 bytes (Solidity documentation, "Layout of State Variables in Storage").
"""

from __future__ import annotations

from anchor.base.errors import NodeFaultError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Anchor, Hash32, LogId
from anchor.ethereum.keccak import hash_keccak256

ANCHORS_SLOT = 0
HEADS_SLOT = 1
OPERATOR_KEYS_SLOT = 2
OPERATOR_IDS_SLOT = 3
SUCCESSORS_SLOT = 4
PREDECESSORS_SLOT = 5
LAST_HEADS_SLOT = 6

CLOSED_HEAD = Hash32(b"\xff" * 32)
"""The value of ``heads[log]`` once ``succeed`` has closed the log."""


def anchor_slot(log: LogId, root: Hash32) -> Hash32:
    """Return the slot of ``anchors[log][root]``."""
    return _nested(ANCHORS_SLOT, log, root)


def head_slot(log: LogId) -> Hash32:
    """Return the slot of ``heads[log]``."""
    return _entry(log, HEADS_SLOT.to_bytes(32, "big"))


def operator_key_slot(log: LogId, operator_id: int) -> Hash32:
    """Return the slot of ``operatorKeys[log][operator_id]``."""
    return _nested(OPERATOR_KEYS_SLOT, log, operator_id.to_bytes(32, "big"))


def operator_id_slot(log: LogId, key: Address) -> Hash32:
    """Return the slot of ``operatorIds[log][key]``."""
    return _nested(OPERATOR_IDS_SLOT, log, bytes(12) + key)


def successor_slot(log: LogId) -> Hash32:
    """Return the slot of ``successors[log]``."""
    return _entry(log, SUCCESSORS_SLOT.to_bytes(32, "big"))


def predecessor_slot(log: LogId) -> Hash32:
    """Return the slot of ``predecessors[log]``."""
    return _entry(log, PREDECESSORS_SLOT.to_bytes(32, "big"))


def last_head_slot(log: LogId) -> Hash32:
    """Return the slot of ``lastHeads[log]``, which is filled once the log is closed."""
    return _entry(log, LAST_HEADS_SLOT.to_bytes(32, "big"))


def decode_anchor(word: bytes) -> Anchor | None:
    """Unpack ``anchors[log][root]``; None if the registry has no such anchor.

    From the low bits up: size 48 · sequence 40 · blockNumber 48 · timestamp 48 · operatorId 72.
    """
    value = int.from_bytes(word, "big")
    if value == 0:
        return None
    anchor = Anchor(
        size=value & (2**48 - 1),
        sequence=(value >> 48) & (2**40 - 1),
        block_number=(value >> 88) & (2**48 - 1),
        timestamp=(value >> 136) & (2**48 - 1),
        operator_id=value >> 184,
    )
    if anchor.size == 0 or anchor.sequence == 0:
        raise NodeFaultError(Message("registry-word-impossible"))
    return anchor


def decode_key(word: Hash32) -> Address | None:
    """Return the address in an operator's slot; None if the word is not an address."""
    return None if any(word[:12]) or not any(word) else Address(word[12:])


def encode_anchor(anchor: Anchor) -> bytes:
    """Pack an anchor as the contract stores it."""
    value = (
        anchor.size
        | anchor.sequence << 48
        | anchor.block_number << 88
        | anchor.timestamp << 136
        | anchor.operator_id << 184
    )
    return value.to_bytes(32, "big")


def _nested(slot: int, outer: bytes, inner: bytes) -> Hash32:
    return _entry(inner, _entry(outer, slot.to_bytes(32, "big")))


def _entry(key: bytes, slot: bytes) -> Hash32:
    return hash_keccak256(key + slot)
