"""Giving up a stored transaction that the chain never reaches, and why that is safe.

A transaction is signed for one nonce.  If the account never uses the nonces before it, no block can
include it, and as long as it is open no other is signed: the log halts.  This happens after a
reorganisation permanently removed another program's transactions, or after the only node named too
high a nonce.

A transaction that was given up stays valid: the key's holder may fill the gap, and anybody who has
the bytes may send them then.  So only transactions that do no harm later can be given up: an anchor
of this log, which the registry refuses once it holds a newer head or the same root, and which
before that anchors a head of this log; and the deployment of the registry.  The nonce keeps its
bytes, with a mark, so that receipts for them are looked up and the audit finds them.  It no longer
counts as the journal's highest, so that the log continues at the nonce that the chain waits for.
When the log reaches the marked nonce, the new transaction outbids the old bytes: only one is mined.

The proof is the account's nonce in the final block, by as many nodes as have to agree: it is below
the transaction's, and so is every nonce that any node has reported since; no node holds a
transaction that waits for the nonces between; and this project has none to send again for them.
A transaction that can still be mined without filling a gap is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import ChainGuardError, NodeRefusedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.chain.node import Node
from anchor.chain.node_agreement import agree_on_final_nonce
from anchor.chain.tx_decoding import read_call_data
from anchor.chain.tx_state import NonceSlot
from anchor.ethereum.keccak import format_address
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.registry.artifact import load_artifact
from anchor.registry.calldata import decode_anchor_call, encode_deployment
from anchor.store.tx_journal import GIVEN_UP, StoredJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrender:
    """The transaction that was given up, and the proof: the account's nonce in a final block."""

    slot: NonceSlot
    final_block: int
    final_nonce: int


def give_up(project: OpenProject, node: Node, nonce: int) -> Surrender:
    """Give up the transaction that is open for ``nonce``; call ``check_chain`` before.

    Raises:
        ChainGuardError: The bytes can still be mined, or would do something else than anchor.
    """
    config = project.config
    journal = StoredJournal(project.database, utc_now)
    slot = journal.open_slot(config.chain_id)
    if slot is None or slot.nonce != nonce or not slot.attempts:
        raise UsageError(
            Message("tx-nonce-not-open", nonce=nonce),
            hint=Message("tx-list-hint"),
        )
    _check_harmless(config, slot)
    final = node.fetch_final_block(config.finality)
    final_nonce = agree_on_final_nonce(node, slot.sender, config.finality)
    name = Message("nonce-of-sender", nonce=nonce, sender=format_address(slot.sender))
    if final_nonce > nonce:
        raise ChainGuardError(
            Message("tx-slot-used", slot=name, block=final.number),
            hint=Message("tx-slot-used-hint"),
        )
    # The highest nonce that any node reports: a lying node can prevent giving up, but do no more.
    seen = max([final_nonce, *node.ask_each(lambda one: one.fetch_nonce(slot.sender, "latest"))])
    if seen >= nonce:
        raise ChainGuardError(
            Message("tx-slot-still-includable", slot=name),
            hint=Message("tx-slot-still-includable-hint"),
        )
    ours = journal.find_signed(slot, final_nonce)
    if ours is not None:
        raise ChainGuardError(
            Message("tx-earlier-nonce-signed", nonce=ours, slot=name),
            hint=Message("tx-earlier-nonce-signed-hint"),
        )
    waiting = max(node.ask_each(lambda one: _fetch_pending(one, slot)))
    if waiting > seen:
        raise ChainGuardError(
            Message(
                "tx-pending-before-nonce",
                sender=format_address(slot.sender),
                pending=waiting - 1,
                nonce=nonce,
            ),
            hint=Message("tx-pending-before-nonce-hint"),
        )
    # A crash before this leaves it open; after it the next run signs for the chain's next nonce.
    journal.settle_slot(slot, GIVEN_UP)
    return Surrender(slot=slot, final_block=final.number, final_nonce=final_nonce)


def _check_harmless(config: Config, slot: NonceSlot) -> None:
    deployments = (encode_deployment(), load_artifact().init_code)
    for attempt in slot.attempts:
        data = read_call_data(attempt.raw)
        anchored = decode_anchor_call(data)
        if anchored is not None and anchored[0] == config.log:
            continue
        if data not in deployments:
            raise ChainGuardError(
                Message("tx-not-anchoring", nonce=slot.nonce),
                hint=Message("tx-not-anchoring-hint"),
            )


def _fetch_pending(node: Node, slot: NonceSlot) -> int:
    try:
        return node.fetch_nonce(slot.sender, "pending")
    except NodeRefusedError:  # the node does not offer this view of its pool
        return 0
