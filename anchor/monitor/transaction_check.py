"""The check of ``anchor doctor`` whether a signed transaction can be included; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence

from anchor.chain.fees import format_gwei
from anchor.chain.node import Node
from anchor.chain.node_agreement import (
    agree_on_balance,
    agree_on_block,
    is_below_for_enough,
    reached_by_enough,
)
from anchor.chain.tx_cost import bound_cost, bound_gas
from anchor.chain.tx_decoding import read_gas_limit
from anchor.chain.tx_state import LOST, NonceSlot
from anchor.errors import CannotCheckError, ChainGuardError, FundsError
from anchor.ethereum.keccak import format_address
from anchor.project.project import OpenProject
from anchor.store.tx_journal import GIVEN_UP, StoredJournal
from anchor.system.clock import utc_now
from anchor.units import ETHER


def check_transactions(project: OpenProject, node: Node) -> tuple[str, str]:
    """Return the state of the pending transaction, and a note on other nonces, or "".

    Raises:
        ChainGuardError: The chain waits for an earlier nonce, for which no transaction is signed.
        FundsError: The sender cannot pay for the transaction.
        CannotCheckError: The nodes do not answer, or disagree.
    """
    chain_id = project.config.chain_id
    journal = StoredJournal(project.database, utc_now)
    slot = journal.open_slot(chain_id)
    note = _format_other_nonces(journal.list_slots(chain_id))
    if slot is None or not slot.attempts:
        return "none is on its way", note
    nonces = node.ask_each(lambda one: one.fetch_nonce(slot.sender, "latest"))
    used = reached_by_enough(nonces, node.needed)
    name = f"nonce {slot.nonce} of {format_address(slot.sender)}"
    if used > slot.nonce:
        return f"{name} is used; the next run settles it", note
    if used < slot.nonce:
        if journal.find_signed(slot, used) is not None:
            return f"{name} waits for earlier ones of ours, which the next run sends again", note
        if not is_below_for_enough(nonces, slot.nonce, node.needed):
            raise CannotCheckError(
                f"the nodes disagree whether the chain has come to {name}",
                hint="one lags behind or is wrong, and too few answer: see to the nodes",
            )
        raise ChainGuardError(
            f"{name} is signed, but the chain waits for nonce {used}: nothing is anchored now",
            hint="send something with each missing nonce of that key; or, if that is never to be, "
            f"`anchor transactions give-up {slot.nonce}`",
        )
    refusal = _find_refusal(node, slot)
    return f"{name} is on its way, signed {len(slot.attempts)} times", refusal or note


def _format_other_nonces(slots: Sequence[tuple[NonceSlot, str | None]]) -> str:
    """Return which nonces were given up, and which a reorganisation removed."""
    texts = []
    for text, chosen in (("given up", GIVEN_UP), ("lost in a reorganisation", LOST)):
        nonces = [str(slot.nonce) for slot, outcome in slots if outcome == chosen]
        if nonces:
            texts.append(f"{text}: nonce {', '.join(nonces)}")
    return "; ".join(texts)


def _find_refusal(node: Node, slot: NonceSlot) -> str | None:
    """Return why no node accepts the newest attempt; None if no obstacle is known."""
    newest = slot.attempts[-1]
    block = agree_on_block(node)
    gas = read_gas_limit(newest.raw)
    if gas > bound_gas(block):
        return f"no block takes its gas limit of {gas:,}: the next run signs it anew, with less"
    if newest.max_fee < (block.base_fee or 0):
        return (
            f"it offers {format_gwei(newest.max_fee)} gwei a gas, and the base fee is "
            f"{format_gwei(block.base_fee or 0)}: it waits, or is replaced within the fee cap"
        )
    cost = bound_cost([newest])
    balance = agree_on_balance(node, slot.sender)
    if balance < cost:
        raise FundsError(
            f"{format_address(slot.sender)} has {balance / ETHER:.6f} ether, and the transaction "
            f"on its way may take {cost / ETHER:.6f}",
            hint="send ether to that address",
        )
    return None
