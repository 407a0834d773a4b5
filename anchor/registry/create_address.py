"""Where an account's own deployments go: addresses from sender and nonce."""

from __future__ import annotations

from anchor.ethereum.keccak import hash_keccak256
from anchor.ethereum.rlp import encode_integer, encode_rlp
from anchor.types import Address

# EIP-2681: no account gets further.
_MAX_NONCE = 2**64 - 2


def create_address(sender: Address, nonce: int) -> Address:
    """Return where the contract goes that ``sender`` creates with its transaction ``nonce``.

    The last 20 bytes of Keccak-256 over RLP([sender, nonce]) (Yellow Paper, section 7).
    """
    if not 0 <= nonce <= _MAX_NONCE:
        raise ValueError(f"nonce {nonce} is outside 0 … 2^64 - 2")
    return Address(hash_keccak256(encode_rlp((sender, encode_integer(nonce))))[12:])
