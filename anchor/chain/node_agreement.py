"""What enough nodes say of what a transaction needs: the newest block, nonces, prices, gas.

Honest nodes differ in these, by a block or by taste, so that they cannot be compared as what is in
a final block can.  Of a figure that only grows, the highest counts that enough nodes have reached;
of a price, the lowest that leaves enough nodes at or below it in doubt: either way one node that
lies may delay what is sent, and decides nothing.  Where one node is all there is, its word counts
within what is plausible, and an account's nonce is proven from the state where it gives proofs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from anchor.chain.fees import Fees, price_dynamic, price_legacy
from anchor.chain.get_proof import decode_account_nonce
from anchor.chain.node import Node, PricedBlock
from anchor.errors import CannotCheckError, NodeFaultError, QuorumError, UnknownVersionError
from anchor.ethereum.header import parse_header
from anchor.types import Address, Block
from anchor.verification.policy import FinalityRule

# Nodes that have not heard of the newest block, or of another one, agree a block or two before it.
_BLOCKS_BACK = 3

Value = TypeVar("Value", bound=Hashable)


def reached_by_enough(figures: Iterable[int], needed: int) -> int:
    """Return the highest figure that ``needed`` of these have reached."""
    return sorted(figures, reverse=True)[needed - 1]


def is_below_for_enough(figures: Iterable[int], limit: int, needed: int) -> bool:
    """Return whether ``needed`` of these figures are below ``limit``.

    With one node silent, one that lies is enough to pull down what enough have reached.
    """
    return sum(figure < limit for figure in figures) >= needed


def asked_by_enough(prices: Sequence[int], needed: int) -> int:
    """Return the price that as many nodes may overstate as may lie, and never above the middle.

    Of as many prices as are needed it is the lowest.
    """
    place = min(len(prices) - needed, (len(prices) - 1) // 2)
    return sorted(prices)[place]


def said_by_enough(answers: Iterable[Value], needed: int) -> Value | None:
    """Return what ``needed`` nodes say alike; None where no such thing is."""
    best = Counter(answers).most_common(1)
    return best[0][0] if best and best[0][1] >= needed else None


def agree_on_block(node: Node) -> PricedBlock:
    """Return the newest block that enough nodes know by the same hash, and its figures.

    Raises:
        CannotCheckError: too few answer, or they know different blocks.
    """
    newest = node.ask_each(lambda one: one.known(one.fetch_priced_block("latest"), "latest block"))
    number = reached_by_enough((block.number for block in newest), node.needed)
    same = (block for block in newest if block.number == number)
    agreed = said_by_enough(same, node.needed)
    for back in range(_BLOCKS_BACK):
        if agreed is not None:
            return agreed
        blocks = node.ask_each(partial(Node.fetch_priced_block, block=max(number - back, 0)))
        agreed = said_by_enough((block for block in blocks if block), node.needed)
    if agreed is not None:
        return agreed
    raise QuorumError(
        f"the nodes disagree about the chain's newest blocks, around block {number}",
        hint="nothing was signed; run again, and see to the nodes if it stays so",
    )


def agree_on_nonce(node: Node, address: Address) -> int:
    """Return the nonce that the chain waits for, as enough nodes have seen it by now."""
    nonces = node.ask_each(lambda one: one.fetch_nonce(address, "latest"))
    return reached_by_enough(nonces, node.needed)


def agree_on_final_nonce(node: Node, address: Address, rule: FinalityRule) -> int:
    """Return the account's nonce in the final block; one node alone proves it where it can.

    Raises:
        CannotCheckError: what is final is not known, or the nodes disagree about the nonce.
    """
    final = node.fetch_final_block(rule)
    nonce = node.read_with_quorum(lambda one: one.fetch_nonce(address, final.hash))
    if node.needed == 1:
        proven = _fetch_proven_nonce(node, address, final)
        if proven not in (None, nonce):
            raise NodeFaultError(
                f"the node {node.name} says that the nonce is {nonce} in final block "
                f"{final.number}, and proves that it is {proven}",
                hint="nothing was signed; ask another node",
            )
    return nonce


def agree_on_balance(node: Node, address: Address) -> int:
    """Return the balance in wei that enough nodes have seen at least."""
    return reached_by_enough(node.ask_each(lambda one: one.fetch_balance(address)), node.needed)


def fetch_fees(node: Node, block: PricedBlock, cap: int, *, legacy: bool = False) -> Fees:
    """Return what to offer for a gas now, at most ``cap``; ``legacy`` as on chains before EIP-1559.

    ``block`` is the newest that enough nodes agree on; the base fee is taken from it.

    Raises:
        FundsError: the cap is below the market.
        CannotCheckError: the nodes do not agree, or one alone says that a block of a kind this
            release does not know has no base fee.
    """
    if legacy or block.base_fee is None:
        if not (legacy or block.is_proven or node.needed > 1):
            raise CannotCheckError(
                f"the node {node.name} says that block {block.number} has no base fee, and the "
                "block is of a kind that this release does not know",
                hint="if the chain takes no transactions of EIP-1559, set chain.legacy_fees = true",
            )
        prices = node.ask_each(lambda one: one.fetch_gas_price())
        return price_legacy(gas_price=asked_by_enough(prices, node.needed), cap=cap)
    base_fee = block.base_fee
    tips = node.ask_each(lambda one: one.fetch_priority_fee(base_fee))
    tip = asked_by_enough(tips, node.needed)
    return price_dynamic(base_fee=base_fee, suggested_tip=tip, cap=cap)


def _fetch_proven_nonce(node: Node, address: Address, block: Block) -> int | None:
    """Return the account's nonce by its proof; None where the node gives none that holds."""
    try:
        header = parse_header(node.fetch_header(block.hash))
        answer = node.rpc.call("eth_getProof", ["0x" + address.hex(), [], hex(block.number)])
        return decode_account_nonce(
            answer, state_root=header.state_root, address=address, name=node.name
        )
    except (CannotCheckError, UnknownVersionError):
        return None
