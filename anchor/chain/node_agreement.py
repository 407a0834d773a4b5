"""Agreement of nodes on the inputs of a transaction: the newest block, nonces, prices, gas.

Honest nodes differ in these, by a block or by policy, so that a comparison for equality, as for the
contents of a final block, is not possible.  Of a figure that only grows, the highest that enough
nodes have reached is used; of a price, the highest that enough nodes ask, but at most the median.
Either way a lying node can delay a transaction and decides nothing.  A single node's answer is used
within plausible limits; an account's nonce is proven from the state if the node returns proofs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from anchor.base.errors import CannotCheckError, NodeFaultError, QuorumError, UnknownVersionError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Block
from anchor.chain.fees import Fees, price_dynamic, price_legacy
from anchor.chain.get_proof import decode_account_nonce
from anchor.chain.node import Node, PricedBlock
from anchor.ethereum.header import parse_header
from anchor.verification.policy import FinalityRule

# Nodes that lack the newest block, or know another one, agree on a block or two before it.
_BLOCKS_BACK = 3

Value = TypeVar("Value", bound=Hashable)


def reached_by_enough(figures: Iterable[int], needed: int) -> int:
    """Return the highest figure that at least ``needed`` of these have reached."""
    return sorted(figures, reverse=True)[needed - 1]


def is_below_for_enough(figures: Iterable[int], limit: int, needed: int) -> bool:
    """Return whether at least ``needed`` of these figures are below ``limit``.

    This is stricter than ``reached_by_enough(…) < limit``, which one lying node can bring about
    while another does not answer.
    """
    return sum(figure < limit for figure in figures) >= needed


def asked_by_enough(prices: Sequence[int], needed: int) -> int:
    """Return the highest price that at least ``needed`` nodes ask, but at most the lower median.

    So a minority cannot raise it by overstating.  Of exactly ``needed`` prices it is the lowest.
    """
    place = min(len(prices) - needed, (len(prices) - 1) // 2)
    return sorted(prices)[place]


def said_by_enough(answers: Iterable[Value], needed: int) -> Value | None:
    """Return the answer that at least ``needed`` nodes gave; None if there is no such answer."""
    best = Counter(answers).most_common(1)
    return best[0][0] if best and best[0][1] >= needed else None


def agree_on_block(node: Node) -> PricedBlock:
    """Return the newest block on whose hash and figures enough nodes agree."""
    newest = node.ask_each(
        lambda one: one.known(one.fetch_priced_block("latest"), Message("block-latest"))
    )
    number = reached_by_enough((block.number for block in newest), node.needed)
    at_number = (block for block in newest if block.number == number)
    agreed = said_by_enough(at_number, node.needed)
    for back in range(_BLOCKS_BACK):
        if agreed is not None:
            return agreed
        blocks = node.ask_each(partial(Node.fetch_priced_block, block=max(number - back, 0)))
        agreed = said_by_enough((block for block in blocks if block), node.needed)
    if agreed is not None:
        return agreed
    raise QuorumError(
        Message("nodes-disagree-newest-blocks", number=number),
        hint=Message("nodes-disagree-newest-blocks-hint"),
    )


def agree_on_nonce(node: Node, address: Address) -> int:
    """Return the account's next nonce: the highest that enough nodes have reached by now."""
    nonces = node.ask_each(lambda one: one.fetch_nonce(address, "latest"))
    return reached_by_enough(nonces, node.needed)


def agree_on_final_nonce(node: Node, address: Address, rule: FinalityRule) -> int:
    """Return the account's nonce in the final block; a single node's is checked by a state proof.

    The check is omitted if the node returns no proof that holds.

    Raises:
        CannotCheckError: The final block is not known, or the nodes disagree about the nonce, or a
            single node proves another nonce.
    """
    final = node.fetch_final_block(rule)
    nonce = node.read_with_quorum(lambda one: one.fetch_nonce(address, final.hash))
    if node.needed == 1:
        proven = _fetch_proven_nonce(node, address, final)
        if proven not in (None, nonce):
            raise NodeFaultError(
                Message(
                    "node-nonce-disproven",
                    name=node.name,
                    nonce=nonce,
                    number=final.number,
                    proven=proven,
                ),
                hint=Message("node-nonce-disproven-hint"),
            )
    return nonce


def agree_on_balance(node: Node, address: Address) -> int:
    """Return the highest balance in wei that the account reaches at enough nodes."""
    return reached_by_enough(node.ask_each(lambda one: one.fetch_balance(address)), node.needed)


def fetch_fees(node: Node, block: PricedBlock, cap: int, *, legacy: bool = False) -> Fees:
    """Return the fees to offer now, at most ``cap``; ``legacy``: one gas price, as before EIP-1559.

    ``block`` is the newest that enough nodes agree on; the base fee is taken from it.

    Raises:
        CannotCheckError: The nodes do not agree, or a single node returns a block without base fee
            of a kind that this release does not know.
    """
    if legacy or block.base_fee is None:
        if not (legacy or block.is_proven or node.needed > 1):
            raise CannotCheckError(
                Message("node-base-fee-missing", name=node.name, number=block.number),
                hint=Message("node-base-fee-missing-hint"),
            )
        prices = node.ask_each(lambda one: one.fetch_gas_price())
        return price_legacy(gas_price=asked_by_enough(prices, node.needed), cap=cap)
    base_fee = block.base_fee
    tips = node.ask_each(lambda one: one.fetch_priority_fee(base_fee))
    tip = asked_by_enough(tips, node.needed)
    return price_dynamic(base_fee=base_fee, suggested_tip=tip, cap=cap)


def _fetch_proven_nonce(node: Node, address: Address, block: Block) -> int | None:
    """Return the account's nonce by its state proof; None if the node gives no proof that holds."""
    try:
        header = parse_header(node.fetch_header(block.hash))
        answer = node.rpc.call("eth_getProof", ["0x" + address.hex(), [], hex(block.number)])
        return decode_account_nonce(
            answer, state_root=header.state_root, address=address, name=node.name
        )
    except (CannotCheckError, UnknownVersionError):
        return None
