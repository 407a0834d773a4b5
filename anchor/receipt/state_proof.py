"""State proofs: the content of a registry's storage at a block, given only the block's hash.

The hash authenticates the header, the header the state root, the state root the registry's account
with its storage root, and that the slot that holds the anchor (EIP-1186).  The account has to have
the pinned code, and the slot is computed here.  No node is asked, and the block's hash, which the
caller provides, is the only value that is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import (
    CannotCheckError,
    MalformedError,
    MismatchError,
    NodeFaultError,
    NotTrustedError,
)
from anchor.base.messages.message import Message
from anchor.base.types import Address, Anchor, Hash32, LogId, log_owner
from anchor.ethereum.header import Header, parse_header
from anchor.ethereum.keccak import format_address
from anchor.receipt.storage_proof import prove_account, prove_word
from anchor.registry.storage import (
    anchor_slot,
    decode_anchor,
    decode_key,
    operator_key_slot,
    successor_slot,
)


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
class BeaconProof:
    """An earlier block's header as RLP, and the proofs of its hash in the history contract."""

    header: bytes
    account_proof: tuple[bytes, ...]
    storage_proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateProof:
    """A block's header as RLP, and proofs of the registry's account and slots in that block.

    ``operator_proof`` proves the operator's key for an anchor that the log's owner did not send;
    otherwise it is empty.  ``successor`` is None if no successor is proven or excluded, ``beacon``
    if the block that the record names is not proven (``anchor.receipt.history_proof``).
    """

    header: bytes
    account_proof: tuple[bytes, ...]
    storage_proof: tuple[bytes, ...]
    operator_proof: tuple[bytes, ...] = ()
    successor: SuccessorProof | None = None
    beacon: BeaconProof | None = None


def check_account(
    proof: StateProof, *, block_hash: Hash32, registry: Address, code_hash: Hash32
) -> tuple[Header, Hash32]:
    """Return the block's header, and the storage root of the registry with the pinned code.

    The caller has to know that this block is final.

    Raises:
        MismatchError: The header is another block's, or the proofs do not lead to its state root.
        NotTrustedError: There is no account at ``registry``, or it has another code hash, or its
            storage holds what that code never writes.
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


def check_submitter(
    proof: StateProof, storage_root: Hash32, *, registry: Address, log: LogId, operator_id: int
) -> Address:
    """Return the address that anchored in ``log``: its owner (operator id 0), or an operator.

    Raises:
        CannotCheckError: The receipt does not prove the operator's key.
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
    account = prove_account(
        Message("proof-of-account"), header.state_root, registry, proof.account_proof
    )
    where = Message("registry-in-block", registry=format_address(registry), block=header.number)
    if account is None:
        raise NotTrustedError(Message("registry-account-missing", place=where))
    storage_root, account_code_hash = account
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
    return storage_root


def _foreign_storage_error(registry: Address, content: Message) -> NotTrustedError:
    return NotTrustedError(
        Message("registry-storage-foreign", registry=format_address(registry), detail=content)
    )
