"""The state proof of one anchor, built from proofs that nodes return; each is verified once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from anchor.base.errors import CannotCheckError, MalformedError
from anchor.base.types import Address, Anchor, Block, Hash32, LogId
from anchor.chain.get_proof import FetchedProof
from anchor.chain.node import Node
from anchor.receipt.state_proof import (
    StateProof,
    SuccessorProof,
    Takeover,
    check_account,
    check_anchor,
    check_submitter,
    check_takeover,
    find_successor,
)
from anchor.registry.event_topics import SUCCEEDED, decode_takeover
from anchor.registry.storage import anchor_slot, operator_key_slot, successor_slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The anchor to prove: a root of a log, in a registry, as of a block."""

    registry: Address
    code_hash: Hash32
    log: LogId
    root: Hash32
    block: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proven:
    proof: StateProof
    storage_root: Hash32
    anchor: Anchor | None
    successor: LogId | None


def fetch_anchor_proof(node: Node, question: Question) -> tuple[StateProof, Anchor | None]:
    """Return a verified proof of the registry's entry for the root, and the anchor it proves.

    The proof also covers the log's successor, or that the log has none, and the key of the operator
    who anchored.
    """
    registry, log, block = question.registry, question.log, question.block
    slots = (anchor_slot(log, question.root), successor_slot(log))
    proven = node.fetch_state_proof(
        registry, slots, block.hash, lambda fetched: _check(fetched, question)
    )
    proof = proven.proof
    if proven.anchor is not None and proven.anchor.operator_id:
        proof = _prove_operator(node, question, proof, proven, proven.anchor.operator_id)
    if proven.successor is not None and proof.successor is not None:
        takeover = _prove_takeover(node, question, proven, proven.successor)
        proof = replace(proof, successor=replace(proof.successor, takeover=takeover))
    return proof, proven.anchor


def _check(fetched: FetchedProof, question: Question) -> _Proven:
    successor = SuccessorProof(proof=fetched.slot_proofs[1])
    proof = StateProof(
        header=fetched.header,
        account_proof=fetched.account_proof,
        storage_proof=fetched.slot_proofs[0],
        successor=successor,
    )
    header, storage_root = check_account(
        proof,
        block_hash=question.block.hash,
        registry=question.registry,
        code_hash=question.code_hash,
    )
    anchor = check_anchor(
        proof,
        storage_root,
        header=header,
        registry=question.registry,
        log=question.log,
        root=question.root,
    )
    return _Proven(
        proof=proof,
        storage_root=storage_root,
        anchor=anchor,
        successor=find_successor(successor, storage_root, question.log),
    )


def _prove_operator(
    node: Node, question: Question, proof: StateProof, anchored: _Proven, operator_id: int
) -> StateProof:
    """Return ``proof`` with the proof of the operator's key added."""

    def check(fetched: FetchedProof) -> StateProof:
        proven = replace(proof, operator_proof=fetched.slot_proofs[0])
        check_submitter(
            proven,
            anchored.storage_root,
            registry=question.registry,
            log=question.log,
            operator_id=operator_id,
        )
        return proven

    slot = operator_key_slot(question.log, operator_id)
    return node.fetch_state_proof(question.registry, (slot,), question.block.hash, check)


def _prove_takeover(
    node: Node, question: Question, proven: _Proven, successor: LogId
) -> Takeover | None:
    """Return the proven head that the successor continues from; None if no hint leads to it."""
    for root in _list_hints(node, question, proven):

        def check(fetched: FetchedProof, root: Hash32 = root) -> Takeover | None:
            takeover = Takeover(root=root, proof=fetched.slot_proofs[0])
            size = check_takeover(
                takeover, proven.storage_root, registry=question.registry, successor=successor
            )
            return None if size is None else takeover

        slot = anchor_slot(successor, root)
        takeover = node.fetch_state_proof(question.registry, (slot,), question.block.hash, check)
        if takeover is not None:
            return takeover
    return None


def _list_hints(node: Node, question: Question, proven: _Proven) -> Iterator[Hash32]:
    """Yield the roots the successor may have begun with: the anchor's, then those in events."""
    yield question.root
    since = 0 if proven.anchor is None else proven.anchor.block_number
    with suppress(CannotCheckError, MalformedError):
        events = node.fetch_event_data(
            question.registry,
            (SUCCEEDED, Hash32(question.log)),
            since=since,
            until=question.block.number,
        )
        yield from dict.fromkeys(decode_takeover(data) for data in events)
