"""Costs of transactions: upper bounds, costs by receipts that are plausible, and rollup fees.

Until enough nodes show the receipt in a final block, a transaction counts at its maximum cost: gas
limit times fee, plus the parent chain's fee.  A receipt with figures that the signed bytes and the
block's header rule out is a node fault.
"""

from __future__ import annotations

from collections.abc import Sequence

from anchor.base.errors import NodeFaultError, NodeRefusedError
from anchor.base.messages.message import Message
from anchor.base.types import Address, ChainId
from anchor.chain.node import Node, PricedBlock, TransactionReceipt
from anchor.chain.tx_decoding import is_dynamic, read_call_data, read_gas_limit
from anchor.chain.tx_state import Attempt, Cost
from anchor.ethereum.keccak import hash_keccak256

MAX_TRANSACTION_GAS = 2**24
"""The gas limit of one transaction on Ethereum (EIP-7825)."""

BUDGET_DAYS = 30
"""The days that a budget covers, counted back from the latest block's timestamp."""

OP_CHAINS = (ChainId(10), ChainId(8453), ChainId(11155420), ChainId(84532))
"""Chains whose transactions also pay for their data on the parent chain: OP, Base, their tests."""

# The OP Stack's predeploy, by its specification (predeploys, GasPriceOracle).
_GAS_PRICE_ORACLE = Address(bytes.fromhex("420000000000000000000000000000000000000f"))
_UPPER_BOUND = hash_keccak256(b"getL1FeeUpperBound(uint256)")[:4]
_EXACT = hash_keccak256(b"getL1Fee(bytes)")[:4]
# A signature, a nonce, fees, gas and a receiver in RLP take about 130 bytes besides the call data.
_ENVELOPE = 160
L1_HEADROOM = 8
"""Factor by which Ethereum's base fee may rise before inclusion: eightfold in 18 full blocks."""

# The store keeps 63 bits: nine ether.
_MOST_L1_FEE = 2**63 - 1
# Gas of every transaction, and for each byte of its data (EIP-2028); a fifth may be refunded.
_BASE_GAS, _ZERO_GAS, _OTHER_GAS = 21_000, 4, 16
# The ABI's unit, in bytes.
_WORD = 32


def bound_cost(attempts: Sequence[Attempt]) -> int:
    """Return the maximum cost in wei of any one of the attempts; at most one can be included."""
    bounds = (read_gas_limit(each.raw) * each.max_fee + (each.l1_fee or 0) for each in attempts)
    return max(bounds, default=0)


def bound_gas(block: PricedBlock) -> int:
    """Return the highest gas limit that a transaction may have in a block like ``block``."""
    if block.gas_limit is None:
        return MAX_TRANSACTION_GAS
    return min(block.gas_limit, MAX_TRANSACTION_GAS)


def parse_cost(
    receipt: TransactionReceipt, attempt: Attempt, block: PricedBlock, *, name: str
) -> Cost:
    """Return the cost of ``attempt`` by its receipt in ``block``; ``name`` is the node's name.

    Raises:
        NodeFaultError: The receipt states more gas than was signed, less than the call data takes,
            a price that the block's base fee and the signed fees rule out, or a parent chain's fee
            above its bound.
    """
    limit = read_gas_limit(attempt.raw)
    least_gas = _least_gas(read_call_data(attempt.raw))
    if not least_gas <= receipt.gas_used <= limit:
        raise NodeFaultError(
            Message(
                "node-tx-receipt-gas-wrong",
                name=name,
                gas_used=receipt.gas_used,
                least_gas=least_gas,
                limit=limit,
            )
        )
    lowest, highest = _price_range(attempt, block)
    price = receipt.gas_price
    if price is None or price == attempt.priority_fee:
        price = highest  # the node omits the price, or returns only the tip, as EthereumJS does
    if not lowest <= price <= highest:
        raise NodeFaultError(
            Message(
                "node-tx-receipt-price-wrong",
                name=name,
                price=price,
                lowest=lowest,
                highest=highest,
            )
        )
    l1_fee = attempt.l1_fee or 0 if receipt.l1_fee is None else receipt.l1_fee
    most_l1_fee = _MOST_L1_FEE if attempt.l1_fee is None else attempt.l1_fee
    if l1_fee > most_l1_fee:
        raise NodeFaultError(
            Message("node-tx-receipt-l1-fee-wrong", name=name, l1_fee=l1_fee, limit=most_l1_fee)
        )
    return Cost(
        gas_used=receipt.gas_used, gas_price=price, timestamp=block.timestamp, l1_fee=l1_fee
    )


def _least_gas(data: bytes) -> int:
    zeros = data.count(0)
    return (_BASE_GAS + _ZERO_GAS * zeros + _OTHER_GAS * (len(data) - zeros)) * 4 // 5


def _price_range(attempt: Attempt, block: PricedBlock) -> tuple[int, int]:
    """Return the lowest and highest possible price per gas in wei.

    The lowest excludes the tip, which some rollups do not charge.
    """
    if block.base_fee is None:
        return 0, attempt.max_fee
    if not is_dynamic(attempt.raw):
        return min(block.base_fee, attempt.max_fee), attempt.max_fee
    highest = min(block.base_fee + attempt.priority_fee, attempt.max_fee)
    return min(block.base_fee, highest), highest


def fetch_l1_fee(node: Node, chain_id: ChainId, *, sender: Address, data: bytes) -> int | None:
    """Return an upper bound of the parent chain's fee in wei; None on chains not in ``OP_CHAINS``.

    The bound is eight times the figure of the chain's own oracle, because the fee may rise before
    the transaction is included.
    """
    if chain_id not in OP_CHAINS:
        return None
    size = len(data) + _ENVELOPE

    def read(one: Node) -> int:
        upper = _UPPER_BOUND + size.to_bytes(_WORD, "big")
        try:
            answer = one.call(sender=sender, to=_GAS_PRICE_ORACLE, data=upper)
        except NodeRefusedError:  # a chain before Fjord
            exact = _EXACT + _encode_bytes(data + b"\xff" * _ENVELOPE)
            answer = one.call(sender=sender, to=_GAS_PRICE_ORACLE, data=exact)
        if len(answer) != _WORD:
            raise NodeFaultError(Message("node-gas-oracle-malformed", name=one.name))
        return min(int.from_bytes(answer, "big") * L1_HEADROOM, _MOST_L1_FEE)

    # The lowest ``needed`` - 1 answers are skipped: a bound that is too low overruns the budget.
    return sorted(node.ask_each(read))[node.needed - 1]


def _encode_bytes(data: bytes) -> bytes:
    padded = data + bytes(-len(data) % _WORD)
    return _WORD.to_bytes(_WORD, "big") + len(data).to_bytes(_WORD, "big") + padded
