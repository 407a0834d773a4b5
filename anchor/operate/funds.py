"""Checks whether the sender's balance and the budget will last."""

from __future__ import annotations

from anchor.base.errors import ConfigError, SignerError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.types import Address
from anchor.base.units import ETHER
from anchor.chain.fees import ANCHOR_GAS, gas_limit
from anchor.chain.node import Node
from anchor.chain.signer.keystore import find_keystore_address
from anchor.chain.tx_cost import BUDGET_DAYS
from anchor.ethereum.keccak import format_address
from anchor.ethereum.known_chains import label_chain
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.project.signing_key import find_keyfile
from anchor.store.tx_journal import StoredJournal

# A warning is given if less is left than this many anchors cost at the fee cap.
FEW = 10


def find_key(config: Config) -> Address | None:
    """Return the address of the project's key; None if its file does not state it."""
    try:
        return find_keystore_address(find_keyfile(config))
    except (ConfigError, SignerError):
        return None


def low_funds_warning(project: OpenProject, node: Node, key: Address) -> Message | None:
    """Return a warning if balance or budget will not last for ten anchors at the fee cap."""
    config = project.config
    each = gas_limit(ANCHOR_GAS) * config.fee_cap
    balance = node.fetch_balance(key)
    if balance < FEW * each:
        return Message(
            "funds-low",
            address=format_address(key),
            chain=label_chain(config.chain_id),
            balance=balance / ETHER,
            anchors=balance // each,
        )
    if config.budget is None:
        return None
    since = node.fetch_latest().timestamp - BUDGET_DAYS * 86_400
    spent = StoredJournal(project.database, utc_now).sum_costs(config.chain_id, since)
    left = max(config.budget - spent, 0)
    if left < FEW * each:
        return Message("budget-low", amount=left / ETHER, days=BUDGET_DAYS, count=left // each)
    return None
