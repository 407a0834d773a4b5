"""The outcome of a nonce: which of our attempts was included, at enough nodes, or who used it.

A receipt counts if enough nodes return the same one, from a block on their own chain, and if the
signed bytes do not rule it out.  A missing receipt proves nothing: a node may withhold it.  The use
of a nonce by another program is shown by the block in which the account's nonce passed it, if that
block contains none of our attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from anchor.base.errors import NodeRefusedError, QuorumError
from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.chain.node import Node
from anchor.chain.node_agreement import (
    Value,
    is_below_for_enough,
    reached_by_enough,
    said_by_enough,
)
from anchor.chain.tx_cost import parse_cost
from anchor.chain.tx_state import Inclusion, NonceSlot, Observation


class User(Enum):
    """The user of a nonce: this project, another program, or unknown."""

    OURS = "one of our attempts, whose receipt is not shown"
    ANOTHER = "none of our attempts"
    UNKNOWN = "the nodes do not show by which transaction"


def look_at(node: Node, slot: NonceSlot) -> Observation:
    """Ask each node for our attempts' receipts, and, if it has no receipt, for the sender's nonce.

    A receipt implies that the nonce is used.
    """

    def read(one: Node) -> tuple[int, dict[Hash32, Inclusion]]:
        inclusions = _fetch_inclusions(one, slot)
        if inclusions:
            return slot.nonce + 1, inclusions
        nonce = one.fetch_nonce(slot.sender, "latest")
        if nonce <= slot.nonce:
            return nonce, inclusions
        # It may have been used after the first look: if by one of ours, there is a receipt now.
        return nonce, _fetch_inclusions(one, slot)

    answers = node.ask_each(read)
    nonces = [nonce for nonce, _ in answers]
    return Observation(
        latest_nonce=reached_by_enough(nonces, node.needed),
        inclusions=_agree(slot, [inclusions for _, inclusions in answers], node.needed),
        is_gap_certain=is_below_for_enough(nonces, slot.nonce, node.needed),
    )


def fetch_inclusions(node: Node, slot: NonceSlot) -> Mapping[Hash32, Inclusion]:
    """Return those of our attempts that enough nodes show as included, by transaction hash."""
    shown = node.ask_each(lambda one: _fetch_inclusions(one, slot))
    return _agree(slot, shown, node.needed)


def _agree(
    slot: NonceSlot, shown: Sequence[Mapping[Hash32, Inclusion]], needed: int
) -> dict[Hash32, Inclusion]:
    agreed = {}
    for attempt in slot.attempts:
        answers = [
            inclusions[attempt.tx_hash] for inclusions in shown if attempt.tx_hash in inclusions
        ]
        inclusion = said_by_enough(answers, needed)
        if inclusion is not None:
            agreed[attempt.tx_hash] = inclusion
    return agreed


def _fetch_inclusions(node: Node, slot: NonceSlot) -> dict[Hash32, Inclusion]:
    inclusions = {}
    for attempt in slot.attempts:
        receipt = node.fetch_receipt(attempt.tx_hash)
        if receipt is None:
            continue
        block = node.fetch_priced_block(receipt.block_number)
        if block is None or block.hash != receipt.block_hash:
            continue  # the receipt's block is not on the node's own chain
        inclusions[attempt.tx_hash] = Inclusion(
            tx_hash=receipt.tx_hash,
            block_hash=receipt.block_hash,
            block_number=receipt.block_number,
            succeeded=receipt.succeeded,
            cost=parse_cost(receipt, attempt, block, name=node.name),
        )
    return inclusions


def find_user(node: Node, slot: NonceSlot, number: int) -> User:
    """Return who used the slot's nonce up to block ``number``, on which the nodes agree."""
    try:
        used = _find_block_of_use(node, slot, number)
        if used is None:
            return User.UNKNOWN
        hashes = _ask_alike(node, lambda one: one.fetch_transaction_hashes(used))
    except NodeRefusedError:  # not every node keeps the state of old blocks
        return User.UNKNOWN
    ours = {attempt.tx_hash for attempt in slot.attempts}
    return User.ANOTHER if ours.isdisjoint(hashes) else User.OURS


def _ask_alike(node: Node, read: Callable[[Node], Value]) -> Value:
    """Return the result of ``read`` about an agreed block, if enough nodes return the same."""
    agreed = said_by_enough(node.ask_each(read), node.needed)
    if agreed is None:
        raise QuorumError(
            Message("nodes-disagree-agreed-blocks"),
            hint=Message("nodes-disagree-agreed-blocks-hint"),
        )
    return agreed


def _find_block_of_use(node: Node, slot: NonceSlot, last: int) -> int | None:
    """Return the number of the block that used the slot's nonce; None if unused up to ``last``."""

    def is_used_in(number: int) -> bool:
        return _ask_alike(node, lambda one: one.fetch_nonce(slot.sender, number)) > slot.nonce

    if not is_used_in(last):
        return None
    # The use is likely recent: search backwards in doubling steps, then bisect the last one.
    used, step = last, 1
    while used > 0 and is_used_in(max(used - step, 0)):
        used, step = max(used - step, 0), 2 * step
    unused = max(used - step, -1)
    while used - unused > 1:
        middle = (used + unused) // 2
        if is_used_in(middle):
            used = middle
        else:
            unused = middle
    return used
