"""The spending limits of a new project: fee cap and budget, derived from the present gas price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anchor.base.errors import CannotCheckError, FundsError
from anchor.base.messages.message import Message
from anchor.base.units import GWEI
from anchor.chain.fees import ANCHOR_GAS, gas_limit, price_dynamic, price_legacy
from anchor.chain.node import Node
from anchor.chain.node_agreement import asked_by_enough

HIGHEST_FEE_CAP = 100 * GWEI
"""The fee cap of a new project, unless the market price is above it."""

# A rollup's gas price may be a thousandth of a gwei; some bursts exceed that a hundredfold.
_LOWEST_FEE_CAP = GWEI // 10
_TIMES = 10
# The factor if the gas price is near or above the highest cap: room for a few full blocks.
_TIMES_ABOVE = 3
# The budget pays for one anchor per hour during thirty days at the cap, or about one every six
# minutes at today's price.
_ANCHORS = 720
# Above any real price: a third of the highest cap that a configuration allows.
_NO_CAP = 300_000 * GWEI


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The fee cap in wei per gas, and the budget for thirty days in wei (None: no limit)."""

    fee_cap: int
    budget: int | None


def size_allowance(nodes: Sequence[Node], needed: int) -> Allowance:
    """Return limits for the gas price that ``needed`` nodes report, or the highest if too few do.

    The cap is ten times the price, between a tenth of a gwei and a hundred gwei.
    """
    prices = []
    for node in nodes:
        try:
            prices.append(_fetch_price(node))
        except (CannotCheckError, FundsError):  # no price, or an absurd one
            continue
    fee_cap = HIGHEST_FEE_CAP
    if len(prices) >= needed:
        price = asked_by_enough(prices, needed)
        fee_cap = min(max(_TIMES * price, _LOWEST_FEE_CAP), HIGHEST_FEE_CAP)
        fee_cap = _round_up(max(fee_cap, _TIMES_ABOVE * price if 2 * price > fee_cap else 0))
    return Allowance(fee_cap=fee_cap, budget=_round_up(_ANCHORS * gas_limit(ANCHOR_GAS) * fee_cap))


def _fetch_price(node: Node) -> int:
    """Return the present price of a gas in wei, including the tip."""
    block = node.known(node.fetch_priced_block("latest"), Message("block-latest"))
    if block.base_fee is None:
        return price_legacy(gas_price=node.fetch_gas_price(), cap=_NO_CAP).max_fee
    tip = node.fetch_priority_fee(block.base_fee)
    fees = price_dynamic(base_fee=block.base_fee, suggested_tip=tip, cap=_NO_CAP)
    return block.base_fee + fees.priority_fee


def _round_up(wei: int) -> int:
    """Round up to two significant digits."""
    unit: int = 10 ** max(len(str(wei)) - 2, 0)
    return -(-wei // unit) * unit
