"""Settlement of nonces: their outcomes between inclusion and finality, kept in the journal.

A transaction in a block is *included*, which a reorganisation can undo.  Its nonce is settled only
when a final block shows the outcome; until then every review asks the nodes again.  A transaction
that is no longer included is *lost*: its nonce is opened again, its bytes are sent again, and no
other nonce is signed for while it may come back.  Use of a nonce by another program is reported
once it is final.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anchor.base.errors import CannotCheckError, ForeignUseError, NodeUnreachableError
from anchor.base.messages.message import Message
from anchor.base.types import Address, Block, ChainId, Hash32
from anchor.chain.node import Node
from anchor.chain.node_agreement import agree_on_block, agree_on_final_nonce
from anchor.chain.registry_reader import RegistryReader
from anchor.chain.tx_cost import BUDGET_DAYS, bound_cost
from anchor.chain.tx_decoding import read_call_data, read_gas_limit, read_receiver
from anchor.chain.tx_inclusion import User, fetch_inclusions, find_user, look_at
from anchor.chain.tx_journal_protocol import SettlementJournal
from anchor.chain.tx_state import Cost, Inclusion, NonceSlot, Unsettled
from anchor.ethereum.keccak import format_address
from anchor.registry.calldata import decode_anchor_call
from anchor.verification.policy import FinalityRule

# Maximum number of nonces settled in one review, because an old store may have many.
_MOST_SETTLED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Follows the nonces of included transactions until a final block settles them."""

    node: Node
    chain_id: ChainId
    journal: SettlementJournal
    finality: FinalityRule
    report: Callable[[Message], None]

    def review(self, sender: Address) -> NonceSlot | None:
        """Settle the nonces that are final; return the earliest lost nonce of ``sender``, or None.

        For other keys only final outcomes are settled, because nothing is sent with those keys.

        Raises:
            ForeignUseError: In a final block, another program's transaction has a nonce that was
                included for ``sender``; the nonce is settled as ``foreign``.
        """
        unsettled = self.journal.load_unsettled(self.chain_id)
        if not unsettled:
            return None
        final = self._find_final()
        if final is not None:
            due = [each for each in unsettled if _may_be_final(each, final)][:_MOST_SETTLED]
            for each in reversed(due):  # lowest first; a nonce that another program used raises
                if self._settle(each, final, sender):
                    unsettled.remove(each)
        return self._find_lost([each for each in unsettled if each.slot.sender == sender])

    def follow(self) -> None:
        """Record which of the open and lost nonces are included by now; no key is needed.

        Reverted transactions and nonces used by other programs are left to the next run that sends,
        which reports them.
        """
        slots = [each.slot for each in self.journal.load_unsettled(self.chain_id) if each.is_lost]
        opened = self.journal.open_slot(self.chain_id)
        for slot in (*slots, *([opened] if opened is not None and opened.attempts else [])):
            for inclusion in fetch_inclusions(self.node, slot).values():
                if inclusion.succeeded:
                    self.journal.settle_slot(slot, "included", inclusion.cost)

    def conclude_used(self, slot: NonceSlot) -> None:
        """Settle a nonce that is used in a final block without a receipt of ours; always raises.

        Raises:
            CannotCheckError: Our own transaction may have used the nonce.  If the chain shows that,
                the nonce stays open until a node gives the receipt.  If the user is unknown, the
                nonce is settled, because it cannot be used again, and its maximum cost counts.
        """
        name = Message("nonce-of-sender", nonce=slot.nonce, sender=format_address(slot.sender))
        newest = (
            f"0x{slot.attempts[-1].tx_hash.hex()}" if slot.attempts else Message("tx-none-signed")
        )
        final = self.node.fetch_final_block(self.finality)
        user = find_user(self.node, slot, final.number)
        if user is User.OURS:
            raise CannotCheckError(
                Message("nonce-receipt-missing", nonce=name, newest=newest),
                hint=Message("nonce-receipt-missing-hint"),
            )
        if user is User.ANOTHER:
            self.journal.settle_slot(slot, "foreign", confirmed=True)
            raise ForeignUseError(
                Message("nonce-used-by-other-program", nonce=name),
                hint=Message("nonce-used-by-other-program-hint"),
            )
        self.journal.settle_slot(slot, "foreign", _most(slot, final), confirmed=True)
        raise CannotCheckError(
            Message("nonce-user-unknown", nonce=name, newest=newest),
            hint=Message("nonce-user-unknown-hint"),
        )

    def is_final(self, inclusion: Inclusion) -> bool:
        """Return whether the block of ``inclusion``, by its hash, is final at enough nodes."""
        number = inclusion.block_number
        try:
            if self.node.fetch_final_block(self.finality).number < number:
                return False
            block = self.node.read_with_quorum(lambda node: node.fetch_block(number))
        except NodeUnreachableError:
            raise
        except CannotCheckError:
            return False
        return block is not None and block.hash == inclusion.block_hash

    def fetch_final_nonce(self, sender: Address) -> int | None:
        """Return the account's nonce in the final block; None if it is not known."""
        try:
            return agree_on_final_nonce(self.node, sender, self.finality)
        except NodeUnreachableError:
            raise
        except CannotCheckError:
            return None

    def _find_final(self) -> Block | None:
        """Return the final block; None, and so no settlement, if the nodes do not agree."""
        try:
            return self.node.fetch_final_block(self.finality)
        except CannotCheckError:
            return None

    def _settle(self, each: Unsettled, final: Block, sender: Address) -> bool:
        """Settle a nonce by the final block; return whether it is settled."""
        slot = each.slot
        try:
            for inclusion in fetch_inclusions(self.node, slot).values():
                if inclusion.block_number > final.number:
                    return False
                self.journal.settle_slot(slot, inclusion.outcome, inclusion.cost, confirmed=True)
                return True
            used = self.node.read_with_quorum(lambda one: one.fetch_nonce(slot.sender, final.hash))
            if used <= slot.nonce:
                return False
            user = find_user(self.node, slot, final.number)
        except CannotCheckError:
            return False
        if each.is_lost or user is User.ANOTHER:
            if slot.sender == sender:
                self.conclude_used(slot)
            with suppress(ForeignUseError, CannotCheckError):
                self.conclude_used(slot)
            return user is not User.OURS
        if user is User.UNKNOWN and not self._is_anchored(slot, final.hash):
            return False
        # The nodes have dropped the receipt that they once gave, so the maximum cost is recorded.
        self.journal.settle_slot(slot, each.outcome, _most(slot, final), confirmed=True)
        return True

    def _find_lost(self, unsettled: Sequence[Unsettled]) -> NonceSlot | None:
        """Return the lowest of these nonces that lacks an included transaction now, or None.

        ``unsettled`` is sorted by nonce, highest first.  An included anchor of ours implies those
        before it, because the registry accepts an anchor only on top of the head that it extends.
        Nonces that were lost before are checked nevertheless.
        """
        lost: NonceSlot | None = None
        waited_for: int | None = None
        is_sure = False
        for each in unsettled:
            slot = each.slot
            if is_sure and not each.is_lost:
                continue
            if waited_for is None or slot.nonce < waited_for:
                seen = look_at(self.node, slot)
                waited_for = seen.latest_nonce
                inclusion = next(iter(seen.inclusions.values()), None)
                if inclusion is not None and (inclusion.succeeded or each.outcome == "reverted"):
                    if each.outcome != inclusion.outcome:
                        self.journal.settle_slot(slot, inclusion.outcome, inclusion.cost)
                    is_sure = is_sure or (inclusion.succeeded and _anchors(slot, inclusion))
                    continue
                if inclusion is None and self._is_there_all_the_same(each, waited_for):
                    is_sure = True
                    continue
            if lost is None:
                agree_on_block(self.node)  # raises if the nodes are on two forks: no proof of loss
            if not each.is_lost:
                self.journal.mark_lost(slot)
                self.report(Message("tx-undone-by-reorganisation", nonce=slot.nonce))
            lost = slot
        return lost

    def _is_there_all_the_same(self, each: Unsettled, nonce: int) -> bool:
        """Return whether a used nonce's anchor is in the registry though no node gives a receipt.

        Nodes may drop or withhold receipts; the newest block's state shows the anchor.  If another
        program used the nonce, the anchor is not ours, and our transaction may still come back.
        """
        slot = each.slot
        if nonce <= slot.nonce:
            return False
        newest = agree_on_block(self.node)
        if not self._is_anchored(slot, newest.hash):
            return False
        if find_user(self.node, slot, newest.number) is User.ANOTHER:
            return False
        if each.is_lost:
            self.journal.settle_slot(slot, "included")
        return True

    def _is_anchored(self, slot: NonceSlot, block: Hash32) -> bool:
        """Return whether the registry holds the head of one of the attempts as of ``block``."""
        for attempt in slot.attempts:
            call = decode_anchor_call(read_call_data(attempt.raw))
            to = read_receiver(attempt.raw)
            if call is None or to is None:
                continue
            log, head = call
            with suppress(CannotCheckError):
                if RegistryReader(to, log).agree_on_anchor(self.node, head.root, block) is not None:
                    return True
        return False


def _may_be_final(each: Unsettled, final: Block) -> bool:
    """Return whether the final block may show a nonce's outcome; False for very old nonces."""
    if each.included_at is None:
        return True
    return final.timestamp - BUDGET_DAYS * 86_400 < each.included_at <= final.timestamp


def _anchors(slot: NonceSlot, inclusion: Inclusion) -> bool:
    return any(
        attempt.tx_hash == inclusion.tx_hash and attempt.head_size is not None
        for attempt in slot.attempts
    )


def _most(slot: NonceSlot, final: Block) -> Cost | None:
    """Return the maximum cost of any of the slot's attempts, with the final block's time."""
    dearest = max(slot.attempts, key=lambda each: bound_cost([each]), default=None)
    if dearest is None:
        return None
    return Cost(
        gas_used=read_gas_limit(dearest.raw),
        gas_price=dearest.max_fee,
        timestamp=final.timestamp,
        l1_fee=dearest.l1_fee or 0,
    )
