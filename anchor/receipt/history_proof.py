"""Beacons: the hash of an earlier block, proven by the chain's own history under the same header.

EIP-2935 keeps the hashes of the last 8,191 blocks in the storage of a system contract.  A proof of
one of its slots shows which block had that number on the chain of the header that proves a
receipt's anchor, with nothing more to trust than that header's hash.
"""

from __future__ import annotations

from anchor.base.errors import MismatchError, NotTrustedError
from anchor.base.messages.message import Message
from anchor.base.types import Address, ChainId, Hash32
from anchor.ethereum.header import Header, parse_header
from anchor.evidence.not_before import NotBefore
from anchor.receipt.state_proof import BeaconProof
from anchor.receipt.storage_proof import prove_account, prove_word

# EIP-2935, "Specification": HISTORY_STORAGE_ADDRESS and HISTORY_SERVE_WINDOW.
HISTORY_CONTRACT = Address(bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935"))
HISTORY_WINDOW = 8_191
# Keccak-256 of the contract's runtime code, the EIP's "Bytecode"; a test computes it.
HISTORY_CODE_HASH = Hash32(
    bytes.fromhex("6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d")
)


def history_slot(number: int) -> Hash32:
    """Return the slot in which the history contract keeps the hash of block ``number``."""
    return Hash32((number % HISTORY_WINDOW).to_bytes(32, "big"))


def is_in_window(number: int, proven: int) -> bool:
    """Return whether the state after block ``proven`` holds the hash of block ``number``."""
    return 1 <= proven - number <= HISTORY_WINDOW


def check_beacon(
    beacon: BeaconProof, named: NotBefore, *, header: Header, chain_id: ChainId, anchored_at: int
) -> Header:
    """Return the header of the block that a record names, proven to be of the anchor's chain.

    The caller has to know that the block of ``header`` is final on the chain ``chain_id``;
    ``anchored_at`` is the anchor's time in Unix seconds.

    Raises:
        MismatchError: What is proven is not what the record names, or not older than the anchor.
        NotTrustedError: The chain has no history contract, or one with other code.
    """
    if named.chain_id != chain_id:
        raise MismatchError(
            Message("beacon-of-other-chain", named=named.chain_id, chain=chain_id),
            expected=named.chain_id,
            actual=chain_id,
        )
    earlier = parse_header(beacon.header)
    _check_named(earlier, named)
    if earlier.number >= header.number:
        raise MismatchError(
            Message("beacon-not-earlier", number=earlier.number, block=header.number)
        )
    if not is_in_window(earlier.number, header.number):
        raise MismatchError(
            Message(
                "beacon-too-old",
                number=earlier.number,
                block=header.number,
                limit=HISTORY_WINDOW,
            )
        )
    storage_root = _prove_history(beacon, header)
    slot = history_slot(earlier.number)
    word = prove_word(Message("proof-of-beacon"), storage_root, slot, beacon.storage_proof)
    if word != earlier.hash:
        raise MismatchError(
            Message("beacon-hash-not-kept", number=earlier.number, actual=word.hex()),
            expected=earlier.hash,
            actual=word,
        )
    if earlier.timestamp > anchored_at:
        raise MismatchError(
            Message("beacon-later-than-anchor", time=earlier.timestamp, anchored_at=anchored_at)
        )
    return earlier


def _check_named(earlier: Header, named: NotBefore) -> None:
    if earlier.number != named.block_number:
        raise MismatchError(
            Message("beacon-number-differs", named=named.block_number, actual=earlier.number),
            expected=named.block_number,
            actual=earlier.number,
        )
    if earlier.hash != named.block_hash:
        raise MismatchError(
            Message(
                "beacon-hash-differs",
                number=earlier.number,
                named=named.block_hash.hex(),
                actual=earlier.hash.hex(),
            ),
            expected=named.block_hash,
            actual=earlier.hash,
        )


def _prove_history(beacon: BeaconProof, header: Header) -> Hash32:
    """Return the storage root of the history contract, after checking its code."""
    account = prove_account(
        Message("proof-of-history-account"),
        header.state_root,
        HISTORY_CONTRACT,
        beacon.account_proof,
    )
    if account is None:
        raise NotTrustedError(Message("history-contract-missing", block=header.number))
    storage_root, code_hash = account
    if code_hash != HISTORY_CODE_HASH:
        raise NotTrustedError(
            Message("history-code-foreign", block=header.number, actual=code_hash.hex()),
            expected=HISTORY_CODE_HASH,
            actual=code_hash,
        )
    return storage_root
