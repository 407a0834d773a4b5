"""Lines of the dashboard with several facts each: funds, the chain and the publication."""

from __future__ import annotations

from anchor.base.messages.message import Message, join
from anchor.base.types import ChainId
from anchor.base.units import (
    format_age,
    format_duration,
    format_gas_price,
    format_leaves,
    format_wei,
)
from anchor.chain.tx_cost import BUDGET_DAYS
from anchor.monitor.background_poll import Sighting
from anchor.monitor.chain_status import ChainFacts
from anchor.monitor.overview import DAY, Overview, Spending
from anchor.store.deliveries import DeliveryCounts
from anchor.store.statistics import OpenTransaction

_LONG = 365
"""Days from which on it does not matter how long a balance lasts."""


def describe_balance(sighting: Sighting[ChainFacts], overview: Overview) -> Message:
    """Return how long the sender's balance lasts, or why it is not known."""
    balance = None if sighting.value is None else sighting.value.balance
    if balance is None:
        if sighting.trouble is None:
            return Message("dashboard-node-not-asked")
        return Message("dashboard-node-silent")
    lasts = _describe_rest(overview.spending.days_left(balance))
    return (
        join([lasts, *_describe_age(sighting, overview)], by="semicolon")
        if sighting.trouble
        else lasts
    )


def describe_spending(spending: Spending) -> Message:
    """Return the number of transactions, and what they leave of the budget."""
    facts = [Message("dashboard-transactions", count=spending.transactions)]
    if spending.budget is not None:
        budget = Message(
            "dashboard-budget",
            spent=format_wei(spending.budget_spent),
            budget=format_wei(spending.budget),
            days=BUDGET_DAYS,
        )
        facts.append(budget)
    return join(facts, by="semicolon")


def describe_chain(
    chain_id: ChainId, sighting: Sighting[ChainFacts], overview: Overview
) -> Message:
    """Return the chain's id, and its newest blocks when it was last seen."""
    seen = sighting.value
    if seen is None:
        return join([str(chain_id), Message("dashboard-chain-unknown")], by="semicolon")
    age = format_age(overview.read_at, seen.block_time)
    facts = [str(chain_id), Message("dashboard-chain-block", block=seen.block, age=age)]
    if seen.final_block is not None:
        facts.append(Message("dashboard-chain-final", block=seen.final_block))
    return join([*facts, *_describe_age(sighting, overview)], by="semicolon")


def describe_transaction(transaction: OpenTransaction) -> Message:
    """Return the state of the pending transaction."""
    facts = [
        Message("dashboard-transaction", nonce=transaction.nonce),
        Message("dashboard-transaction-attempts", count=transaction.attempts),
    ]
    if transaction.max_fee is not None:
        price = format_gas_price(transaction.max_fee)
        facts.append(Message("dashboard-transaction-fee", price=price))
    return join(facts, by="semicolon")


def describe_deliveries(counts: DeliveryCounts) -> Message:
    """Return how many messages to webhooks and people wait, fail and were given up."""
    return Message(
        "dashboard-delivery-counts",
        waiting=counts.waiting,
        failing=counts.failing,
        given_up=counts.given_up,
    )


def describe_publication(sighting: Sighting[int], overview: Overview) -> Message:
    """Return how many leaves are published elsewhere, or why that is not known."""
    if sighting.value is None:
        unknown = Message("value-unknown")
        if sighting.trouble is None:
            return unknown
        return Message("with-reason", failure=unknown, reason=sighting.trouble)
    facts = [format_leaves(sighting.value), *_describe_age(sighting, overview)]
    return join(facts, by="semicolon")


def _describe_rest(days: float | None) -> Message:
    if days is None:
        return Message("dashboard-balance-rate-unknown")
    if days > _LONG:
        return Message("dashboard-balance-lasts-long")
    return Message("dashboard-balance-lasts", duration=format_duration(days * DAY))


def _describe_age(
    sighting: Sighting[ChainFacts] | Sighting[int], overview: Overview
) -> list[Message]:
    """Return when something was seen, if it ever was."""
    if sighting.seen_at is None:
        return []
    return [Message("dashboard-seen", age=format_age(overview.read_at, sighting.seen_at))]
