"""Block headers and state proofs (EIP-1186) of nodes, decoded into the form that receipts carry.

Of a proof, only the two lists of trie nodes are used: account, key and value follow from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from anchor.base.errors import MalformedError, MismatchError, NodeFaultError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Hash32
from anchor.ethereum.header import MAX_HEADER_BYTES, encode_header
from anchor.ethereum.keccak import hash_keccak256
from anchor.ethereum.rlp import decode_rlp, parse_integer
from anchor.ethereum.trie import MAX_NODE_BYTES, MAX_NODES, verify_trie_proof

_DATA = re.compile(r"0x([0-9a-f]{2})+")
# Four items, two integers and two hashes; rollups and sidechains add a few of their own.
MAX_ACCOUNT_BYTES = 256


def encode_block_header(
    block: Mapping[str, object] | None, *, block_hash: Hash32, name: str
) -> bytes:
    """Encode a block's header from the node's answer, and verify that it has ``block_hash``.

    ``name`` is the node's name for messages.

    Raises:
        UnknownVersionError: The encoded header has another hash, or is too long for a receipt.
    """
    if block is None:
        raise NodeFaultError(Message("node-has-no-block-hash", name=name, hash=block_hash.hex()))
    try:
        encoded = encode_header(block)
    except MalformedError as error:
        raise NodeFaultError(
            Message("node-block-without-header", name=name, reason=error.message)
        ) from error
    if hash_keccak256(encoded) != block_hash:
        raise UnknownVersionError(Message("block-header-unknown", name=name, hash=block_hash.hex()))
    if len(encoded) > MAX_HEADER_BYTES:
        raise UnknownVersionError(
            Message(
                "block-header-too-long",
                hash=block_hash.hex(),
                size=len(encoded),
                limit=MAX_HEADER_BYTES,
            )
        )
    return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedProof:
    """A node's answer to one question: the proofs of an account and of some of its slots."""

    header: bytes
    account_proof: tuple[bytes, ...]
    slot_proofs: tuple[tuple[bytes, ...], ...]


def decode_proof(answer: object, *, header: bytes, count: int, name: str) -> FetchedProof:
    """Decode the answer of the node called ``name`` to a question about ``count`` slots."""
    label = Message("node-state-proof", name=name)
    slots = answer.get("storageProof") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(slots, list) or len(slots) != count:
        raise NodeFaultError(Message("proof-slots-differ", label=label, count=count))
    if not all(isinstance(slot, dict) for slot in slots):
        raise NodeFaultError(Message("proof-slots-differ", label=label, count=count))
    return FetchedProof(
        header=header,
        account_proof=_decode_nodes(answer.get("accountProof"), label),
        slot_proofs=tuple(_decode_nodes(slot.get("proof"), label) for slot in slots),
    )


def decode_account_nonce(answer: object, *, state_root: Hash32, address: Address, name: str) -> int:
    """Return the nonce that the account proof from the node called ``name`` proves."""
    label = Message("node-account-proof", name=name)
    nodes = _decode_nodes(answer.get("accountProof") if isinstance(answer, dict) else None, label)
    try:
        account = verify_trie_proof(root=state_root, key=hash_keccak256(address), nodes=nodes)
        if account is None:
            return 0
        items = decode_rlp(account, subject=Message("account-subject"), max_bytes=MAX_ACCOUNT_BYTES)
        if not isinstance(items, tuple) or not items:
            raise MalformedError(Message("account-not-list"))
        return parse_integer(items[0], subject=Message("account-nonce"), max_bits=64)
    except (MalformedError, MismatchError) as error:
        raise NodeFaultError(
            Message("proof-does-not-hold", label=label, reason=error.message)
        ) from error


def _decode_nodes(value: object, label: Message) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_NODES:
        raise NodeFaultError(Message("proof-nodes-malformed", label=label, limit=MAX_NODES))
    nodes = tuple(_decode_node(node, label) for node in value)
    # The empty trie has no node; most clients list its encoding nevertheless.
    return () if nodes == (b"\x80",) else nodes


def _decode_node(value: object, label: Message) -> bytes:
    longest = 2 + 2 * MAX_NODE_BYTES
    if not isinstance(value, str) or len(value) > longest or not _DATA.fullmatch(value):
        raise NodeFaultError(Message("proof-node-malformed", label=label, limit=MAX_NODE_BYTES))
    return bytes.fromhex(value[2:])
