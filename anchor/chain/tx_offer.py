"""The gas limit and fees with which a transaction is signed, within the operator's limits."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import FundsError
from anchor.base.messages.message import Message
from anchor.base.types import Address, ChainId
from anchor.base.units import ETHER, format_wei
from anchor.chain.call_simulation import FUNDS_HINT, Intent, estimate_gas, lacks_funds
from anchor.chain.fees import Fees
from anchor.chain.node import Node, PricedBlock
from anchor.chain.node_agreement import agree_on_balance, agree_on_block, fetch_fees
from anchor.chain.tx_cost import BUDGET_DAYS, fetch_l1_fee
from anchor.chain.tx_journal_protocol import TxJournal
from anchor.chain.tx_state import NonceSlot
from anchor.verification.policy import FinalityRule


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeLimits:
    """The operator's limits: fee cap in wei per gas, time to wait, and finality rule.

    ``budget`` is the highest total cost of all transactions in ``BUDGET_DAYS``, in wei.
    ``legacy`` offers one gas price (EIP-155) even if blocks have a base fee.
    """

    fee_cap: int
    wait_seconds: float
    finality: FinalityRule
    budget: int | None = None
    legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The gas limit and fees of a transaction, for the newest block that enough nodes agree on.

    ``l1_fee`` is an upper bound of the parent chain's fee in wei; None if the chain charges none.
    """

    block: PricedBlock
    gas: int
    fees: Fees
    l1_fee: int | None

    @property
    def most(self) -> int:
        """Return the maximum cost in wei."""
        return self.gas * self.fees.max_fee + (self.l1_fee or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """Prices the transactions of one sender, and checks that they can be paid."""

    node: Node
    chain_id: ChainId
    sender: Address
    journal: TxJournal
    limits: FeeLimits

    def price(self, intent: Intent) -> Offer:
        """Return the gas limit and the current fees for ``intent``, within the fee cap.

        Raises:
            ChainGuardError: The call reverts.
        """
        block = agree_on_block(self.node)
        return Offer(
            block=block,
            gas=estimate_gas(self.node, self.chain_id, self.sender, intent, block),
            fees=fetch_fees(self.node, block, self.limits.fee_cap, legacy=self.limits.legacy),
            l1_fee=fetch_l1_fee(self.node, self.chain_id, sender=self.sender, data=intent.data),
        )

    def check_balance(self, offer: Offer) -> None:
        """Check that the sender can pay for ``offer``."""
        if agree_on_balance(self.node, self.sender) < offer.most:
            raise FundsError(
                Message(
                    "sender-funds-needed",
                    detail=lacks_funds(self.sender, self.chain_id),
                    amount=format_wei(offer.most),
                ),
                hint=FUNDS_HINT,
            )

    def check_budget(self, offer: Offer, *, but: NonceSlot | None = None) -> None:
        """Check that the budget covers ``offer`` and all recent transactions except ``but``'s.

        Raises:
            FundsError: The budget does not cover these costs.
        """
        budget, cost = self.limits.budget, offer.most
        if budget is None:
            return
        since = offer.block.timestamp - BUDGET_DAYS * 86_400
        spent = self.journal.sum_costs(self.chain_id, since, but=but)
        if spent + cost > budget:
            raise FundsError(
                Message(
                    "budget-exceeded",
                    budget=budget / ETHER,
                    days=BUDGET_DAYS,
                    spent=format_wei(spent),
                    cost=format_wei(cost),
                ),
                hint=Message("budget-exceeded-hint"),
            )
