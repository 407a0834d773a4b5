"""Where an account's own deployments go: addresses from sender and nonce."""

from __future__ import annotations

from anchor.registry.keccak import hash_keccak256
from anchor.types import Address

# EIP-2681: no account gets further, and no RLP integer here is longer than eight bytes.
_MAX_NONCE = 2**64 - 2


def create_address(sender: Address, nonce: int) -> Address:
    """Return where the contract goes that ``sender`` creates with its transaction ``nonce``.

    The last 20 bytes of Keccak-256 over RLP([sender, nonce]) (Yellow Paper, section 7).
    """
    if not 0 <= nonce <= _MAX_NONCE:
        raise ValueError(f"nonce {nonce} is outside 0 … 2^64 - 2")
    digits = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    # A single byte below 0x80 stands for itself; everything else, the empty string too, has its
    # length in front.
    number = digits if len(digits) == 1 and digits[0] < 0x80 else bytes([0x80 + len(digits)])
    if number is not digits:
        number += digits
    payload = bytes([0x80 + len(sender)]) + sender + number
    return Address(hash_keccak256(bytes([0xC0 + len(payload)]) + payload)[12:])
