"""Transaction fees as integer arithmetic, in wei per gas (EIP-1559)."""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import FundsError
from anchor.base.messages.message import Message
from anchor.base.units import GWEI

# A full block raises the base fee by an eighth (EIP-1559): doubling it covers six such blocks.
_BASE_FEE_HEADROOM = 2
# An estimate is exact only for the current state; unused gas is given back.
_GAS_HEADROOM_PERCENT = 20
# Quiet chains have base fees near zero, where tips are still about a gwei.
_LEAST_TIP_BOUND = 2 * GWEI
# Block builders include no lower tip (geth, miner.Config), and raising one by eighths up to here
# would take many replacements.
_LEAST_TIP = GWEI // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """The fees that a transaction offers; ``legacy``: one gas price, on chains without base fee."""

    max_fee: int
    priority_fee: int
    legacy: bool


def price_dynamic(*, base_fee: int, suggested_tip: int, cap: int) -> Fees:
    """Price a transaction against the current base fee, never above ``cap``."""
    if base_fee >= cap:
        raise FundsError(
            Message("fee-cap-below-base-fee", base_fee=format_gwei(base_fee), cap=format_gwei(cap)),
            hint=Message("fee-cap-below-base-fee-hint"),
        )
    # A suggestion is one node's claim, so it is accepted only within a plausible range.
    tip = min(max(suggested_tip, _LEAST_TIP), max(base_fee, _LEAST_TIP_BOUND), cap - base_fee)
    return Fees(
        max_fee=min(_BASE_FEE_HEADROOM * base_fee + tip, cap), priority_fee=tip, legacy=False
    )


def price_legacy(*, gas_price: int, cap: int) -> Fees:
    """Price a transaction on a chain without EIP-1559."""
    if gas_price > cap:
        raise FundsError(
            Message(
                "fee-cap-below-gas-price", gas_price=format_gwei(gas_price), cap=format_gwei(cap)
            ),
            hint=Message("fee-cap-below-gas-price-hint"),
        )
    return Fees(max_fee=gas_price, priority_fee=gas_price, legacy=True)


def price_replacement(*, before: Fees, market: Fees, cap: int) -> Fees | None:
    """Price a replacement for a transaction offered at ``before``; None if it would exceed ``cap``.

    Both fields rise by at least an eighth, rounded up, and at least to the current market price.
    Geth requires both to rise by a tenth (core/txpool/legacypool, ``PriceBump``).
    """
    max_fee = max(_raise_by_an_eighth(before.max_fee), market.max_fee)
    if max_fee > cap:
        return None
    priority_fee = max(_raise_by_an_eighth(before.priority_fee), market.priority_fee)
    return Fees(max_fee=max_fee, priority_fee=priority_fee, legacy=market.legacy)


def _raise_by_an_eighth(fee: int) -> int:
    return max(-(-fee * 9 // 8), fee + 1)


def gas_limit(estimate: int) -> int:
    """Return the gas limit for an estimate: the estimate plus 20 % headroom."""
    return estimate + estimate * _GAS_HEADROOM_PERCENT // 100


def format_gwei(wei: int) -> str:
    """Format a price in wei per gas as exact gwei."""
    return f"{wei // GWEI}.{wei % GWEI:09}".rstrip("0").rstrip(".")


ANCHOR_GAS = 100_000
"""Gas for one anchor; a later anchor of a log of 10^9 leaves, by an operator, takes 90,000."""

DEPLOYMENT_GAS = 870_000
"""Gas for the deployment of the registry."""

# Gas of an operator's anchor: a log's first, a later one, and each hash of its proof.
_FIRST_GAS, _LATER_GAS, _HASH_GAS = 72_700, 58_300, 1_210


def estimate_anchor_gas(old: int, new: int) -> int:
    """Return about how much gas an anchor of ``new`` leaves takes, after one of ``old``.

    A consistency proof has about as many hashes as ``new`` has bits.
    """
    return _LATER_GAS + _HASH_GAS * new.bit_length() if old else _FIRST_GAS
