"""Choice of the next nonce to sign for: one that the account is certain to reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anchor.base.errors import (
    CannotCheckError,
    NodeFaultError,
    NodeRefusedError,
    NodeUnreachableError,
    NotFinalError,
    QuorumError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import Clock
from anchor.base.types import Address, ChainId
from anchor.chain.node import Node, PricedBlock
from anchor.chain.node_agreement import agree_on_block, agree_on_final_nonce, agree_on_nonce
from anchor.chain.tx_inclusion import fetch_inclusions
from anchor.chain.tx_journal_protocol import TxJournal
from anchor.chain.tx_offer import FeeLimits
from anchor.ethereum.keccak import format_address

LONGEST_POLL = 4.0
"""The longest interval between two polls of the chain, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceChooser:
    """Chooses one sender's nonces from the answers of enough nodes and from the journal.

    ``find_own`` is given nonces that the journal lacks, and returns those that this project used.
    """

    node: Node
    chain_id: ChainId
    sender: Address
    journal: TxJournal
    clock: Clock
    limits: FeeLimits
    report: Callable[[Message], None]
    find_own: Callable[[Address, range], set[int]]

    def choose(self, newest: PricedBlock) -> int:
        """Return the next nonce to sign for: one that the account is certain to reach.

        ``newest`` is the newest block that enough nodes agreed on a moment ago.

        Raises:
            NotFinalError: Other programs have used the key, and their transactions did not become
                final within the time limit.
        """
        last = self.journal.last_nonce(self.chain_id, self.sender)
        following = 0 if last is None else last + 1
        nonce = self._fetch_nonce(newest)
        while following < nonce and self._settle_given_up(following):
            following += 1
        if nonce <= following:
            return nonce
        deadline = self.clock.monotonic() + self.limits.wait_seconds
        is_told = False
        while not self._is_reached(nonce, is_first=last is None):
            if not is_told:
                name = format_address(self.sender)
                self.report(Message("nonce-waiting-for-earlier", nonce=nonce, sender=name))
                is_told = True
            if self.clock.monotonic() >= deadline:
                raise NotFinalError(
                    Message(
                        "nonces-not-in-journal",
                        count=_count(nonce - following),
                        sender=format_address(self.sender),
                        nonce=following,
                    ),
                    hint=Message("nonces-not-in-journal-hint"),
                )
            self.clock.sleep(LONGEST_POLL)
        return nonce

    def _is_reached(self, nonce: int, *, is_first: bool) -> bool:
        """Return whether the account has used every nonce below ``nonce`` in a final block.

        If the nodes name no final block and the journal is empty, the latest nonce counts instead.
        """
        try:
            return agree_on_final_nonce(self.node, self.sender, self.limits.finality) >= nonce
        except (NodeFaultError, NodeRefusedError, NodeUnreachableError, QuorumError):
            raise
        except CannotCheckError:
            if is_first:
                return True
            raise

    def _settle_given_up(self, nonce: int) -> bool:
        """Settle a given-up nonce if an old transaction of ours used it; return whether one did."""
        slot = self.journal.find_slot(self.chain_id, self.sender, nonce)
        if slot is None or not slot.given_up:
            return False
        for inclusion in fetch_inclusions(self.node, slot).values():
            self.journal.settle_slot(slot, inclusion.outcome, inclusion.cost)
            return True
        return False

    def _fetch_nonce(self, newest: PricedBlock) -> int:
        nonce = agree_on_nonce(self.node, self.sender)
        # A wrong nonce would already be used, or never be reached.  A single node has none to
        # contradict it, so its answer is compared with the nonce in ``newest``, or in a newer block
        # if the nonce has risen meanwhile.
        if self.node.needed == 1 and self.node.fetch_nonce(self.sender, newest.hash) != nonce:
            newer = agree_on_block(self.node)
            if newer == newest or self.node.fetch_nonce(self.sender, newer.hash) != nonce:
                raise NodeFaultError(Message("node-nonce-contradicted", name=self.node.name))
        return nonce

    def report_unexplained(self, nonce: int) -> None:
        """Report how many nonces below ``nonce`` the journal lacks: ours, and other programs'."""
        last = self.journal.last_nonce(self.chain_id, self.sender)
        if last is None or nonce <= last + 1:
            return
        own = len(self.find_own(self.sender, range(last + 1, nonce)))
        name = Message("nonces-of-sender-since", sender=format_address(self.sender), nonce=last)
        if own:
            self.report(Message("tx-own-lost-with-journal", count=_count(own), sender=name))
        if others := nonce - last - 1 - own:
            self.report(Message("tx-foreign-to-project", count=_count(others), sender=name))


def _count(transactions: int) -> Message:
    return Message("tx-count-one") if transactions == 1 else Message("tx-count", count=transactions)
