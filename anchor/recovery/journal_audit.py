"""Audit of the transaction journal: the signed transactions against the rows that describe them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from anchor.chain.tx_decoding import SignedTransaction, decode_transaction
from anchor.chain.tx_state import LOST
from anchor.errors import MalformedError
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


def audit_slots(project: OpenProject) -> Iterator[str]:
    """Check that at most one nonce is open, and that each outcome is possible with its attempts."""
    with project.database.read() as connection:
        rows = load_slot_rows(connection)
    for chain_id, count in Counter(row.chain_id for row in rows if row.outcome is None).items():
        if count > 1:
            yield f"{count} nonces are open on chain {chain_id}; there can be one at a time"
    for row in rows:
        name = f"nonce {row.nonce} of {format_address(row.sender)}"
        if row.chain_id != project.config.chain_id:
            yield f"{name} is reserved on chain {row.chain_id}, which is not this project's"
        if row.outcome == "unused" and row.attempts:
            yield f"{name} is noted as unused, but a transaction was signed for it"
        if row.outcome in (*_SIGNED, "foreign") and not row.attempts:
            yield f"{name} is noted as {row.outcome}, but no transaction was signed for it"
        if row.outcome not in (None, *_SIGNED, "foreign", "unused"):
            yield f"{name} ended as {row.outcome!r}, which is no way for a nonce to end"


def audit_attempts(project: OpenProject) -> Iterator[str]:
    """Hash and decode every signed transaction, and check that it matches its row."""
    with project.database.read() as connection:
        for row in load_attempt_rows(connection):
            name = f"transaction 0x{row.tx_hash.hex()}"
            if hash_keccak256(row.raw) != row.tx_hash:
                yield f"{name}: its bytes hash to 0x{hash_keccak256(row.raw).hex()}"
                continue
            try:
                signed = decode_transaction(row.raw)
            except MalformedError as error:
                yield f"{name} cannot be read: {error.message}"
                continue
            for difference in _compare_attempt(project.config, row, signed):
                yield f"{name}: {difference}"


def audit_hints(project: OpenProject) -> Iterator[str]:
    """Check that every transaction named by an anchor was signed by this project."""
    with project.database.read() as connection:
        unknown = load_unknown_hints(connection)
    for size, tx_hash in unknown:
        yield (
            f"the anchor of size {size} names transaction 0x{tx_hash.hex()}, which is not in the "
            "journal"
        )


def _compare_attempt(config: Config, row: AttemptRow, signed: SignedTransaction) -> Iterator[str]:
    for member, said, signed_value in (
        ("sender", format_address(row.sender), format_address(signed.sender)),
        ("chain", row.chain_id, signed.chain_id),
        ("nonce", row.nonce, signed.nonce),
        ("fee", row.max_fee, signed.max_fee),
        ("priority fee", row.priority_fee, signed.priority_fee),
        ("value", 0, signed.value),
    ):
        if said != signed_value:
            yield f"its {member} is {signed_value}, the journal says {said}"
    if row.head is None:
        if signed.to not in (config.registry, CREATE2_PROXY, None):
            yield f"it goes to {format_address(signed.to)}, which is not the registry"
        return
    if signed.to != config.registry:
        yield f"it does not go to the registry {format_address(config.registry)}"
    if not _anchors(config, row, signed.data):
        yield f"it does not anchor the head of size {row.head.size}, as the journal says"


def _anchors(config: Config, row: AttemptRow, data: bytes) -> bool:
    """Return whether the calldata makes the row's head the head of this log."""
    assert row.head is not None
    if (succeeded := decode_succeed_call(data)) is not None:
        _, from_root, new = succeeded
        return (new, from_root) == (config.log, row.head.root)
    return decode_anchor_call(data) == (config.log, row.head)
