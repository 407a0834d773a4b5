"""Which nonce to sign for: none that the account may never come to."""

from __future__ import annotations

from collections.abc import Callable

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
"""Seconds between two looks at the chain, at most."""


class NonceChooser:
    """Chooses one sender's nonces by what enough nodes say and what the journal knows."""

    def __init__(
        self,
        *,
        node: Node,
        chain_id: ChainId,
        sender: Address,
        journal: TxJournal,
        clock: Clock,
        limits: FeeLimits,
        report: Callable[[str], None],
        find_own: Callable[[Address, range], set[int]],
    ) -> None:
        """Prepare; ``find_own`` says which nonces that the journal lacks are this project's."""
        self._node = node
        self._chain_id = chain_id
        self._sender = sender
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._report = report
        self._find_own = find_own

    def choose(self, newest: PricedBlock) -> int:
        """Return the nonce to sign for, which is none that the account may never come to.

        ``newest`` is the newest block that enough nodes agreed on a moment ago.

        Raises:
            NotFinalError: others have used the key, and not finally within the time to wait.
            CannotCheckError: the nodes do not agree, or one alone contradicts itself.
        """
        last = self._journal.last_nonce(self._chain_id, self._sender)
        following = 0 if last is None else last + 1
        nonce = self._fetch_nonce(newest)
        while following < nonce and self._settle_given_up(following):
            following += 1
        if nonce <= following:
            return nonce
        deadline = self._clock.monotonic() + self._limits.wait_seconds
        is_told = False
        while not self._is_reached(nonce, is_first=last is None):
            if not is_told:
                name = format_address(self._sender)
                self._report(f"waiting until all before nonce {nonce} of {name} are final")
                is_told = True
            if self._clock.monotonic() >= deadline:
                raise NotFinalError(
                    f"{_count(nonce - following)} of {format_address(self._sender)}, from nonce "
                    f"{following} on, are not in this project's journal, and not final yet",
                    hint="run again once they are; if they are another program's, give the log a "
                    "key of its own",
                )
            self._clock.sleep(LONGEST_POLL)
        return nonce

    def _is_reached(self, nonce: int, *, is_first: bool) -> bool:
        """Return whether the account has used every nonce below ``nonce`` in a final block.

        Where nothing is said to be final, and the journal is empty, what it has used by now counts.
        """
        try:
            return agree_on_final_nonce(self._node, self._sender, self._limits.finality) >= nonce
        except (NodeFaultError, NodeRefusedError, NodeUnreachableError, QuorumError):
            raise
        except CannotCheckError:
            if is_first:
                return True
            raise

    def _settle_given_up(self, nonce: int) -> bool:
        """Settle a nonce that was given up and that our old bytes have used all the same."""
        slot = self._journal.find_slot(self._chain_id, self._sender, nonce)
        if slot is None or not slot.given_up:
            return False
        for inclusion in fetch_inclusions(self._node, slot).values():
            outcome = "included" if inclusion.succeeded else "reverted"
            self._journal.settle_slot(slot, outcome, inclusion.cost)
            return True
        return False

    def _fetch_nonce(self, newest: PricedBlock) -> int:
        nonce = agree_on_nonce(self._node, self._sender)
        # One wrong answer would sign for a nonce that is used, or wait for nothing: ask one node
        # twice, the second time about one block, which is a newer one where the nonce has moved on.
        if self._node.needed == 1 and self._node.fetch_nonce(self._sender, newest.hash) != nonce:
            newer = agree_on_block(self._node)
            if newer == newest or self._node.fetch_nonce(self._sender, newer.hash) != nonce:
                raise NodeFaultError(
                    f"the node {self._node.name} gives two answers to what the next nonce is"
                )
        return nonce

    def report_unexplained(self, nonce: int) -> None:
        """Report the nonces before ``nonce`` that the journal does not know, by whose they are."""
        last = self._journal.last_nonce(self._chain_id, self._sender)
        if last is None or nonce <= last + 1:
            return
        own = len(self._find_own(self._sender, range(last + 1, nonce)))
        name = f"{format_address(self._sender)} since nonce {last}"
        if own:
            self._report(
                f"{_count(own)} of {name} anchored this log and were lost with the journal"
            )
        if others := nonce - last - 1 - own:
            self._report(
                f"{_count(others)} of {name} are none of this project's: give the log a key of its "
                "own"
            )


def _count(transactions: int) -> str:
    return "1 transaction" if transactions == 1 else f"{transactions} transactions"
