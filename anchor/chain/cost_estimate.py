"""The expected cost of anchors on a chain, at the fees of its newest block."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from anchor.base.types import Address, ChainId, Hash32, Head, LogId
from anchor.chain.fees import DEPLOYMENT_GAS, estimate_anchor_gas
from anchor.chain.node import Node
from anchor.chain.node_agreement import agree_on_block, fetch_fees
from anchor.chain.tx_cost import L1_HEADROOM, fetch_l1_fee
from anchor.registry.artifact import registry_address
from anchor.registry.calldata import encode_anchor_call

_NO_CAP = 2**63 - 1
_ZERO = Hash32(bytes(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The work to estimate: ``heads`` anchors for ``pieces`` of evidence, in a log of ``size``."""

    pieces: int
    heads: int
    size: int

    @property
    def gas(self) -> int:
        """Return the gas of all anchors."""
        step = -(-self.pieces // self.heads)
        sizes = [self.size + step * done for done in range(self.heads + 1)]
        return sum(estimate_anchor_gas(old, new) for old, new in pairwise(sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCost:
    """The cost of a plan on one chain, in wei.

    ``l1_fee`` is the parent chain's share of ``total``; 0 if there is none.  ``deployment`` is the
    cost of the registry, once for all logs; None if the chain has it already.
    """

    chain_id: ChainId
    block_number: int
    gas_price: int
    l1_fee: int
    total: int
    deployment: int | None


def estimate_cost(node: Node, plan: Plan) -> ChainCost:
    """Return the cost of ``plan`` at the fees that would be paid in the newest block."""
    chain_id, block = node.fetch_chain_id(), agree_on_block(node)
    fees = fetch_fees(node, block, _NO_CAP)
    price = fees.max_fee if block.base_fee is None else block.base_fee + fees.priority_fee
    path = [_ZERO] * (plan.size + plan.pieces).bit_length()
    call = encode_anchor_call(LogId(_ZERO), Head(root=_ZERO, size=plan.pieces), path)
    bound = fetch_l1_fee(node, chain_id, sender=Address(bytes(20)), data=call)
    l1_fee = 0 if bound is None else plan.heads * bound // L1_HEADROOM
    is_deployed = bool(node.fetch_code(registry_address(), block.number))
    return ChainCost(
        chain_id=chain_id,
        block_number=block.number,
        gas_price=price,
        l1_fee=l1_fee,
        total=plan.gas * price + l1_fee,
        deployment=None if is_deployed else DEPLOYMENT_GAS * price,
    )
