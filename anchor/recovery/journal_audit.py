"""Audit of the transaction journal: the signed transactions against the rows that describe them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.chain.tx_decoding import SignedTransaction, decode_transaction
from anchor.chain.tx_state import LOST
from anchor.ethereum.keccak import format_address, hash_keccak256
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.registry.artifact import CREATE2_PROXY
from anchor.registry.calldata import decode_anchor_call, decode_succeed_call
from anchor.store.tx_journal import (
    GIVEN_UP,
    AttemptRow,
    load_attempt_rows,
    load_slot_rows,
    load_unknown_hints,
)

# Outcomes of a nonce that require one of our transactions to have been signed for it.
_SIGNED = ("included", "reverted", LOST, GIVEN_UP)


def audit_slots(project: OpenProject) -> Iterator[Message]:
    """Check that at most one nonce is open, and that each outcome is possible with its attempts."""
    with project.database.read() as connection:
        rows = load_slot_rows(connection)
    for chain_id, count in Counter(row.chain_id for row in rows if row.outcome is None).items():
        if count > 1:
            yield Message("journal-nonces-open", count=count, chain=chain_id)
    for row in rows:
        name = Message("nonce-of-sender", nonce=row.nonce, sender=format_address(row.sender))
        if row.chain_id != project.config.chain_id:
            yield Message("journal-nonce-on-other-chain", name=name, chain=row.chain_id)
        if row.outcome == "unused" and row.attempts:
            yield Message("journal-nonce-not-unused", name=name)
        if row.outcome in (*_SIGNED, "foreign") and not row.attempts:
            yield Message("journal-nonce-without-transaction", name=name, outcome=row.outcome)
        if row.outcome not in (None, *_SIGNED, "foreign", "unused"):
            yield Message("journal-nonce-outcome-unknown", name=name, outcome=row.outcome)


def audit_attempts(project: OpenProject) -> Iterator[Message]:
    """Hash and decode every signed transaction, and check that it matches its row."""
    with project.database.read() as connection:
        for row in load_attempt_rows(connection):
            name = Message("tx-by-hash", hash=row.tx_hash.hex())
            if hash_keccak256(row.raw) != row.tx_hash:
                yield Message(
                    "journal-transaction-hash-differs",
                    name=name,
                    hash=hash_keccak256(row.raw).hex(),
                )
                continue
            try:
                signed = decode_transaction(row.raw)
            except MalformedError as error:
                yield Message("journal-transaction-unreadable", name=name, reason=error.message)
                continue
            for difference in _compare_attempt(project.config, row, signed):
                yield Message("with-reason", failure=name, reason=difference)


def audit_hints(project: OpenProject) -> Iterator[Message]:
    """Check that every transaction named by an anchor was signed by this project."""
    with project.database.read() as connection:
        unknown = load_unknown_hints(connection)
    for size, tx_hash in unknown:
        yield (Message("journal-transaction-unknown", size=size, tx_hash=tx_hash.hex()))


def _compare_attempt(
    config: Config, row: AttemptRow, signed: SignedTransaction
) -> Iterator[Message]:
    for member, said, signed_value in (
        (Message("journal-sender"), format_address(row.sender), format_address(signed.sender)),
        (Message("journal-chain"), row.chain_id, signed.chain_id),
        (Message("journal-nonce"), row.nonce, signed.nonce),
        (Message("journal-fee"), row.max_fee, signed.max_fee),
        (Message("journal-priority-fee"), row.priority_fee, signed.priority_fee),
        (Message("journal-value"), 0, signed.value),
    ):
        if said != signed_value:
            yield Message(
                "journal-member-differs", member=member, actual=signed_value, expected=said
            )
    if row.head is None:
        if signed.to not in (config.registry, CREATE2_PROXY, None):
            yield Message("journal-transaction-not-to-registry", address=format_address(signed.to))
        return
    if signed.to != config.registry:
        yield Message("journal-transaction-elsewhere", address=format_address(config.registry))
    if not _anchors(config, row, signed.data):
        yield Message("journal-head-not-anchored", size=row.head.size)


def _anchors(config: Config, row: AttemptRow, data: bytes) -> bool:
    """Return whether the calldata makes the row's head the head of this log."""
    assert row.head is not None
    if (succeeded := decode_succeed_call(data)) is not None:
        _, from_root, new = succeeded
        return (new, from_root) == (config.log, row.head.root)
    return decode_anchor_call(data) == (config.log, row.head)
