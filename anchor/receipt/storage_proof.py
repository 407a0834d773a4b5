"""Proofs of accounts and storage slots in the state of a block, by the nodes of its tries."""

from __future__ import annotations

from functools import lru_cache

from anchor.base.errors import MalformedError, MismatchError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Hash32
from anchor.ethereum.keccak import hash_keccak256
from anchor.ethereum.rlp import decode_rlp, parse_bytes, parse_integer
from anchor.ethereum.trie import verify_trie_proof

# Four items: two integers and two hashes take at most 110 bytes.
_MAX_ACCOUNT_BYTES = 110
# A word of 32 bytes and its prefix.
_MAX_VALUE_BYTES = 33


def prove_account(
    kind: Message, state_root: Hash32, address: Address, nodes: tuple[bytes, ...]
) -> tuple[Hash32, Hash32] | None:
    """Return the storage root and code hash of an account; None if it is not in the state."""
    value = _prove(kind, state_root, address, nodes)
    if value is None:
        return None
    items = decode_rlp(value, subject=Message("account-subject"), max_bytes=_MAX_ACCOUNT_BYTES)
    if not isinstance(items, tuple) or len(items) != 4:
        raise MalformedError(Message("account-wrong-item-count"))
    parse_integer(items[0], subject=Message("account-nonce"), max_bits=64)
    parse_integer(items[1], subject=Message("account-balance"), max_bits=256)
    storage_root = parse_bytes(items[2], subject=Message("account-storage-root"), length=32)
    code_hash = parse_bytes(items[3], subject=Message("account-code-hash"), length=32)
    return Hash32(storage_root), Hash32(code_hash)


def prove_word(
    kind: Message, storage_root: Hash32, slot: Hash32, nodes: tuple[bytes, ...]
) -> Hash32:
    """Return the word in ``slot``; zero if the proof shows that the slot is empty."""
    value = _prove(kind, storage_root, slot, nodes)
    return Hash32(bytes(32)) if value is None else _decode_word(value)


def _prove(kind: Message, root: Hash32, key: bytes, nodes: tuple[bytes, ...]) -> bytes | None:
    try:
        return _verify_trie_proof(root, hash_keccak256(key), nodes)
    except (MalformedError, MismatchError) as error:
        raise type(error)(Message("proof-invalid", kind=kind, reason=error)) from error


@lru_cache(maxsize=64)
def _verify_trie_proof(root: Hash32, key: Hash32, nodes: tuple[bytes, ...]) -> bytes | None:
    # The receipts of a bundle share one state proof.
    return verify_trie_proof(root=root, key=key, nodes=nodes)


def _decode_word(value: bytes) -> Hash32:
    """Return the word that a storage trie's value encodes; zero is never stored."""
    decoded = decode_rlp(value, subject=Message("slot-value"), max_bytes=_MAX_VALUE_BYTES)
    number = parse_integer(decoded, subject=Message("slot-value"), max_bits=256)
    if number == 0:
        raise MalformedError(Message("slot-value-zero"))
    return Hash32(number.to_bytes(32, "big"))
