"""State proofs: the content of a registry's storage at a block, given only the block's hash.

The hash authenticates the header, the header the state root, the state root the registry's account
with its storage root, and that the slot that holds the anchor (EIP-1186).  The account has to have
the pinned code, and the slot is computed here.  No node is asked, and the block's hash, which the
caller provides, is the only value that is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from anchor.errors import (
    CannotCheckError,
    MalformedError,
    MismatchError,
    NodeFaultError,
    NotTrustedError,
)
from anchor.ethereum.header import Header, parse_header
from anchor.ethereum.keccak import format_address, hash_keccak256
from anchor.ethereum.rlp import decode_rlp, parse_bytes, parse_integer
from anchor.ethereum.trie import verify_trie_proof
from anchor.messages.message import Message
from anchor.registry.storage import (
    anchor_slot,
    decode_anchor,
    decode_key,
    operator_key_slot,
    successor_slot,
)
from anchor.types import Address, Anchor, Hash32, LogId, log_owner

# Four items: two integers and two hashes take at most 110 bytes.
_MAX_ACCOUNT_BYTES = 110
# A word of 32 bytes and its prefix.
_MAX_VALUE_BYTES = 33


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """The root from which a successor continues, and the proof of its anchor in the successor."""

    root: Hash32
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessorProof:
    """The proof of ``successors[log]`` under the same storage root: a successor, or no successor.

    ``takeover`` is present exactly if the proof shows a successor.
    """

    proof: tuple[bytes, ...]
    takeover: Takeover | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateProof:
    """A block's header as RLP, and proofs of the registry's account and slots in that block.

    ``operator_proof`` proves the operator's key for an anchor that the log's owner did not send;
    otherwise it is empty.  ``successor`` is None if no successor is proven or excluded.
    """

    header: bytes
    account_proof: tuple[bytes, ...]
    storage_proof: tuple[bytes, ...]
    operator_proof: tuple[bytes, ...] = ()
    successor: SuccessorProof | None = None


def check_account(
    proof: StateProof, *, block_hash: Hash32, registry: Address, code_hash: Hash32
) -> tuple[Header, Hash32]:
    """Return the block's header, and the storage root of the registry with the pinned code.

    The caller has to know that this block is final.

    Raises:
        MalformedError: The header or a proof is malformed.
        MismatchError: The header is another block's, or the proofs do not lead to its state root.
        NotTrustedError: There is no account at ``registry``, or it has another code hash, or its
            storage holds what that code never writes.
        UnknownVersionError: The header is of a fork that this release does not know.
    """
    header = parse_header(proof.header)
    if header.hash != block_hash:
        raise MismatchError(
            Message(
                "proof-header-hash-differs", actual=header.hash.hex(), expected=block_hash.hex()
            ),
            expected=block_hash,
            actual=header.hash,
        )
    return header, _prove_account(proof, header, registry, code_hash)


def check_anchor(
    proof: StateProof,
    storage_root: Hash32,
    *,
    header: Header,
    registry: Address,
    log: LogId,
    root: Hash32,
) -> Anchor | None:
    """Return the anchor of ``root`` in ``log`` under a storage root; None if there is no anchor.

    Raises the same errors as ``check_account``.
    """
    word = prove_word(
        Message("proof-of-storage"), storage_root, anchor_slot(log, root), proof.storage_proof
    )
    anchor = _decode_anchor(word, registry)
    # The number is not compared: on some rollups the registry's block.number is the parent chain's.
    if anchor is not None and anchor.timestamp > header.timestamp:
        raise _foreign_storage_error(
            registry, Message("anchor-later-than-block", time=anchor.timestamp)
        )
    return anchor


def _decode_anchor(word: Hash32, registry: Address) -> Anchor | None:
    try:
        return decode_anchor(word)
    except NodeFaultError as error:
        raise _foreign_storage_error(registry, Message("registry-word-foreign")) from error


def prove_word(
    kind: Message, storage_root: Hash32, slot: Hash32, nodes: tuple[bytes, ...]
) -> Hash32:
    """Return the word in ``slot``; zero if the proof shows that the slot is empty."""
    value = _prove(kind, storage_root, slot, nodes)
    return Hash32(bytes(32)) if value is None else _decode_word(value)


def check_submitter(
    proof: StateProof, storage_root: Hash32, *, registry: Address, log: LogId, operator_id: int
) -> Address:
    """Return the address that anchored in ``log``: its owner (operator id 0), or an operator.

    Raises:
        CannotCheckError: The receipt does not prove the operator's key.
        AnchorError: The proof is wrong, as in ``check_account``.
    """
    if operator_id == 0:
        if proof.operator_proof:
            raise MalformedError(Message("receipt-operator-proof-superfluous"))
        return log_owner(log)
    if not proof.operator_proof:
        raise CannotCheckError(
            Message("operator-key-not-proven", operator=operator_id),
            hint=Message("receipt-upgrade-hint"),
        )
    slot = operator_key_slot(log, operator_id)
    key = decode_key(
        prove_word(Message("proof-of-operator"), storage_root, slot, proof.operator_proof)
    )
    if key is None:
        raise _foreign_storage_error(
            registry, Message("anchor-operator-without-key", operator=operator_id)
        )
    return key


def check_successor(
    successor: SuccessorProof, storage_root: Hash32, *, registry: Address, log: LogId
) -> tuple[LogId, int] | None:
    """Return the log that succeeds ``log``, and its size at that point; None without one.

    Raises:
        CannotCheckError: A log succeeds it, and the receipt does not prove at which size.
        AnchorError: The proof is wrong, as in ``check_account``.
    """
    succeeding = find_successor(successor, storage_root, log)
    takeover = successor.takeover
    if succeeding is None:
        if takeover is not None:
            raise MalformedError(Message("receipt-takeover-superfluous"))
        return None
    if takeover is None:
        raise CannotCheckError(
            Message("log-closed-takeover-not-proven"),
            hint=Message("receipt-upgrade-or-nodes-hint"),
        )
    size = check_takeover(takeover, storage_root, registry=registry, successor=succeeding)
    if size is None:
        raise NotTrustedError(
            Message(
                "registry-lacks-takeover-root",
                registry=format_address(registry),
                root=takeover.root.hex(),
                successor=succeeding.hex(),
            )
        )
    return succeeding, size


def find_successor(successor: SuccessorProof, storage_root: Hash32, log: LogId) -> LogId | None:
    """Return the log that succeeds ``log``; None without a successor.

    Raises the same errors as ``check_account``.
    """
    word = prove_word(
        Message("proof-of-successor"), storage_root, successor_slot(log), successor.proof
    )
    return LogId(word) if any(word) else None


def check_takeover(
    takeover: Takeover, storage_root: Hash32, *, registry: Address, successor: LogId
) -> int | None:
    """Return the size at which ``successor`` continues; None if it began with another root.

    Raises the same errors as ``check_account``.
    """
    slot = anchor_slot(successor, takeover.root)
    first = _decode_anchor(
        prove_word(Message("proof-of-takeover"), storage_root, slot, takeover.proof), registry
    )
    return first.size if first is not None and first.sequence == 1 else None


def _prove_account(
    proof: StateProof, header: Header, registry: Address, code_hash: Hash32
) -> Hash32:
    """Return the storage root of the registry's account, after checking its code."""
    value = _prove(Message("proof-of-account"), header.state_root, registry, proof.account_proof)
    where = Message("registry-in-block", registry=format_address(registry), block=header.number)
    if value is None:
        raise NotTrustedError(Message("registry-account-missing", place=where))
    items = decode_rlp(value, subject=Message("account-subject"), max_bytes=_MAX_ACCOUNT_BYTES)
    if not isinstance(items, tuple) or len(items) != 4:
        raise MalformedError(Message("account-wrong-item-count"))
    parse_integer(items[0], subject=Message("account-nonce"), max_bits=64)
    parse_integer(items[1], subject=Message("account-balance"), max_bits=256)
    storage_root = parse_bytes(items[2], subject=Message("account-storage-root"), length=32)
    account_code_hash = parse_bytes(items[3], subject=Message("account-code-hash"), length=32)
    if account_code_hash != code_hash:
        raise NotTrustedError(
            Message(
                "registry-code-not-pinned",
                place=where,
                actual=account_code_hash.hex(),
                expected=code_hash.hex(),
            ),
            expected=code_hash,
            actual=account_code_hash,
        )
    return Hash32(storage_root)


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


def _foreign_storage_error(registry: Address, content: Message) -> NotTrustedError:
    return NotTrustedError(
        Message("registry-storage-foreign", registry=format_address(registry), detail=content)
    )
