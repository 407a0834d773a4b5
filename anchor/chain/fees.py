"""Transaction fees as integer arithmetic, in wei a gas (EIP-1559)."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.errors import FundsError
from anchor.units import GWEI

# A full block raises the base fee by an eighth (EIP-1559): doubling it covers six such blocks.
_BASE_FEE_HEADROOM = 2
# What a call is estimated to take is exact only for today's state; unused gas is given back.
_GAS_HEADROOM_PERCENT = 20
# Quiet chains have base fees near zero, where tips are still about a gwei.
_LEAST_TIP_BOUND = 2 * GWEI
# Below this nobody includes anything (geth, miner.Config); raising it by eighths leads nowhere.
_LEAST_TIP = GWEI // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What a transaction offers; ``legacy`` where the chain has no base fee (one gas price)."""

    max_fee: int
    priority_fee: int
    legacy: bool


def price_dynamic(*, base_fee: int, suggested_tip: int, cap: int) -> Fees:
    """Price a transaction against the current base fee, never above ``cap``.

    Raises:
        FundsError: not even the current base fee fits under the cap.
    """
    if base_fee >= cap:
        raise FundsError(
            f"the base fee is {format_gwei(base_fee)} gwei, the fee cap {format_gwei(cap)} gwei",
            hint="wait for the fee to fall, or raise chain.max_fee_gwei",
        )
    # A node's suggestion is taken, within what anybody would pay: it is the node's word alone.
    tip = min(max(suggested_tip, _LEAST_TIP), max(base_fee, _LEAST_TIP_BOUND), cap - base_fee)
    return Fees(
        max_fee=min(_BASE_FEE_HEADROOM * base_fee + tip, cap), priority_fee=tip, legacy=False
    )


def price_legacy(*, gas_price: int, cap: int) -> Fees:
    """Price a transaction on a chain without EIP-1559.

    Raises:
        FundsError: the node's gas price is above the cap.
    """
    if gas_price > cap:
        raise FundsError(
            f"the gas price is {format_gwei(gas_price)} gwei, the fee cap {format_gwei(cap)} gwei",
            hint="wait for the price to fall, or raise chain.max_fee_gwei",
        )
    return Fees(max_fee=gas_price, priority_fee=gas_price, legacy=True)


def price_replacement(*, before: Fees, market: Fees, cap: int) -> Fees | None:
    """Price a transaction that is to replace one offered at ``before``; None where ``cap`` forbids.

    Both fields rise by an eighth at least, rounded up, and to what the market asks for now.  Geth
    wants both to rise, and by a tenth (core/txpool/legacypool, ``PriceBump``).
    """
    max_fee = max(_raise_by_an_eighth(before.max_fee), market.max_fee)
    if max_fee > cap:
        return None
    priority_fee = max(_raise_by_an_eighth(before.priority_fee), market.priority_fee)
    return Fees(max_fee=max_fee, priority_fee=priority_fee, legacy=market.legacy)


def _raise_by_an_eighth(fee: int) -> int:
    return max(-(-fee * 9 // 8), fee + 1)


def gas_limit(estimate: int) -> int:
    """Return the gas limit for an estimated use."""
    return estimate + estimate * _GAS_HEADROOM_PERCENT // 100


def format_gwei(wei: int) -> str:
    """Write wei a gas in gwei, to the wei."""
    return f"{wei // GWEI}.{wei % GWEI:09}".rstrip("0").rstrip(".")


ANCHOR_GAS = 100_000
"""A following anchor of a log of a thousand million leaves, by an operator, takes 90,000."""
