"""Choice of the nonce to sign for, so that the account is sure to reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anchor.chain.node import Node, PricedBlock
from anchor.chain.node_agreement import agree_on_block, agree_on_final_nonce, agree_on_nonce
from anchor.chain.tx_inclusion import fetch_inclusions
from anchor.chain.tx_journal_protocol import TxJournal
from anchor.chain.tx_offer import FeeLimits
from anchor.errors import (
    CannotCheckError,
    NodeFaultError,
    NodeRefusedError,
    NodeUnreachableError,
    NotFinalError,
    QuorumError,
)
from anchor.ethereum.keccak import format_address
from anchor.system.clock import Clock
from anchor.types import Address, ChainId

LONGEST_POLL = 4.0
"""The longest interval between two polls of the chain, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceChooser:
    """Chooses one sender's nonces from the answers of enough nodes and from the journal.

    ``find_own`` returns those of the given nonces, missing in the journal, that are this project's.
    """

    node: Node
    chain_id: ChainId
    sender: Address
    journal: TxJournal
    clock: Clock
    limits: FeeLimits
    report: Callable[[str], None]
    find_own: Callable[[Address, range], set[int]]

    def choose(self, newest: PricedBlock) -> int:
        """Return the nonce to sign for, one that the account is sure to reach.

        ``newest`` is the newest block that enough nodes agreed on a moment ago.

        Raises:
            NotFinalError: Other programs have used the key, and their transactions did not become
                final within the time limit.
            CannotCheckError: The nodes do not agree, or a single node contradicts itself.
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
                self.report(f"waiting until all before nonce {nonce} of {name} are final")
                is_told = True
            if self.clock.monotonic() >= deadline:
                raise NotFinalError(
                    f"{_count(nonce - following)} of {format_address(self.sender)}, from nonce "
                    f"{following} on, are not in this project's journal, and not final yet",
                    hint="run again once they are; if they are another program's, give the log a "
                    "key of its own",
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
        """Settle a given-up nonce that our old bytes have used after all; return whether so."""
        slot = self.journal.find_slot(self.chain_id, self.sender, nonce)
        if slot is None or not slot.given_up:
            return False
        for inclusion in fetch_inclusions(self.node, slot).values():
            self.journal.settle_slot(slot, inclusion.outcome, inclusion.cost)
            return True
        return False

    def _fetch_nonce(self, newest: PricedBlock) -> int:
        nonce = agree_on_nonce(self.node, self.sender)
        # With one wrong answer we would sign for a used nonce, or wait in vain.  So a single node
        # is asked twice, then about a given block: a newer one if the nonce has risen meanwhile.
        if self.node.needed == 1 and self.node.fetch_nonce(self.sender, newest.hash) != nonce:
            newer = agree_on_block(self.node)
            if newer == newest or self.node.fetch_nonce(self.sender, newer.hash) != nonce:
                raise NodeFaultError(
                    f"the node {self.node.name} gives two answers to what the next nonce is"
                )
        return nonce

    def report_unexplained(self, nonce: int) -> None:
        """Report how many nonces before ``nonce`` the journal lacks: our own, and others'."""
        last = self.journal.last_nonce(self.chain_id, self.sender)
        if last is None or nonce <= last + 1:
            return
        own = len(self.find_own(self.sender, range(last + 1, nonce)))
        name = f"{format_address(self.sender)} since nonce {last}"
        if own:
            self.report(f"{_count(own)} of {name} anchored this log and were lost with the journal")
        if others := nonce - last - 1 - own:
            self.report(
                f"{_count(others)} of {name} are none of this project's: give the log a key of its "
                "own"
            )


def _count(transactions: int) -> str:
    return "1 transaction" if transactions == 1 else f"{transactions} transactions"
