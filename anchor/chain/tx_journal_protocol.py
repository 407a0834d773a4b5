"""What sending asks of the store that keeps nonces and signed bytes."""

from __future__ import annotations

from typing import Protocol

from anchor.chain.tx_state import Attempt, Cost, NonceSlot, Unsettled
from anchor.types import Address, ChainId


class SettlementJournal(Protocol):
    """Where it is kept how nonces ended.  Every method is durable when it returns."""

    def open_slot(self, chain_id: ChainId) -> NonceSlot | None:
        """Return the nonce that is reserved and not settled; there is at most one, of any key."""

    def load_unsettled(self, chain_id: ChainId) -> list[Unsettled]:
        """Return the nonces included or lost, of any key, that no final block has settled.

        The highest nonce of each key comes first; of very many, those that are lost and the newest.
        """

    def mark_lost(self, slot: NonceSlot) -> None:
        """Store that the nonce's transaction is not included any more, and cost nothing."""

    def settle_slot(
        self, slot: NonceSlot, outcome: str, cost: Cost | None = None, *, confirmed: bool = False
    ) -> None:
        """Store how the nonce ended: ``included``, ``reverted``, ``foreign`` or ``unused``.

        ``cost`` is what that took, as seen; it counts as that only once it is ``confirmed``, which
        settles the nonce: until then a reorganisation may undo its end.
        """


class TxJournal(SettlementJournal, Protocol):
    """Where nonces and signed bytes are kept.  Every method is durable when it returns."""

    def reserve_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> NonceSlot:
        """Reserve a nonce.

        One that is known and free again (a reorganisation) is opened again with its attempts, so
        that the same bytes are sent.
        """

    def find_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> NonceSlot | None:
        """Return what is stored for a nonce, open or settled; None where nothing is."""

    def last_nonce(self, chain_id: ChainId, sender: Address) -> int | None:
        """Return the highest nonce that a transaction was signed for, and that was not given up.

        None before the first.
        """

    def save_attempt(self, slot: NonceSlot, attempt: Attempt) -> None:
        """Store a signed transaction; only then may it be sent."""

    def sum_costs(self, chain_id: ChainId, since: int, *, but: NonceSlot | None = None) -> int:
        """Return the wei that transactions took in blocks after ``since``, of any key.

        What is not confirmed counts for the most it may take, but not that of ``but``.
        """
