"""The check of ``anchor doctor`` that a signed transaction can be included; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence

from anchor.base.errors import CannotCheckError, ChainGuardError, FundsError
from anchor.base.messages.message import Message, join
from anchor.base.system.clock import utc_now
from anchor.base.units import format_wei
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
from anchor.ethereum.keccak import format_address
from anchor.project.project import OpenProject
from anchor.store.tx_journal import GIVEN_UP, StoredJournal


def check_transactions(project: OpenProject, node: Node) -> tuple[Message, Message | None]:
    """Return the state of the pending transaction, and a note on other nonces, if any.

    Raises:
        ChainGuardError: The chain waits for an earlier nonce, for which no transaction is signed.
    """
    chain_id = project.config.chain_id
    journal = StoredJournal(project.database, utc_now)
    slot = journal.open_slot(chain_id)
    note = _format_other_nonces(journal.list_slots(chain_id))
    if slot is None or not slot.attempts:
        return Message("tx-none-on-its-way"), note
    nonces = node.ask_each(lambda one: one.fetch_nonce(slot.sender, "latest"))
    used = reached_by_enough(nonces, node.needed)
    name = Message("nonce-of-sender", nonce=slot.nonce, sender=format_address(slot.sender))
    if used > slot.nonce:
        return Message("tx-nonce-used", name=name), note
    if used < slot.nonce:
        if journal.find_signed(slot, used) is not None:
            return Message("tx-waits-for-own", name=name), note
        if not is_below_for_enough(nonces, slot.nonce, node.needed):
            raise CannotCheckError(
                Message("tx-nonce-disputed", name=name),
                hint=Message("tx-nonce-disputed-hint"),
            )
        raise ChainGuardError(
            Message("tx-waits-for-earlier-nonce", name=name, expected=used),
            hint=Message("tx-waits-for-earlier-nonce-hint", nonce=slot.nonce),
        )
    refusal = _find_refusal(node, slot)
    return Message("tx-on-its-way-times", name=name, count=len(slot.attempts)), refusal or note


def _format_other_nonces(slots: Sequence[tuple[NonceSlot, str | None]]) -> Message | None:
    """Return which nonces were given up, and which a reorganisation removed."""
    given_up, lost = (
        [str(slot.nonce) for slot, outcome in slots if outcome == chosen]
        for chosen in (GIVEN_UP, LOST)
    )
    texts = []
    if given_up:
        texts.append(Message("tx-nonces-given-up", nonces=join(given_up)))
    if lost:
        texts.append(Message("tx-nonces-lost", nonces=join(lost)))
    return join(texts, by="semicolon") if texts else None


def _find_refusal(node: Node, slot: NonceSlot) -> Message | None:
    """Return why no node accepts the newest attempt; None if no obstacle is known."""
    newest = slot.attempts[-1]
    block = agree_on_block(node)
    gas = read_gas_limit(newest.raw)
    if gas > bound_gas(block):
        return Message("tx-gas-limit-too-high", gas=gas)
    if newest.max_fee < (block.base_fee or 0):
        return Message(
            "tx-fee-below-base-fee",
            fee=format_gwei(newest.max_fee),
            base_fee=format_gwei(block.base_fee or 0),
        )
    cost = bound_cost([newest])
    balance = agree_on_balance(node, slot.sender)
    if balance < cost:
        raise FundsError(
            Message(
                "sender-funds-below-pending",
                address=format_address(slot.sender),
                balance=format_wei(balance),
                cost=format_wei(cost),
            ),
            hint=Message("sender-funds-hint"),
        )
    return None
