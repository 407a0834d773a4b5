"""The journal of nonces and signed transactions that the transaction manager requires."""

from __future__ import annotations

from typing import Protocol

from anchor.base.types import Address, ChainId
from anchor.chain.tx_state import Attempt, Cost, NonceSlot, Unsettled


class SettlementJournal(Protocol):
    """A journal of how nonces ended.  Every write is durable when its method returns."""

    def open_slot(self, chain_id: ChainId) -> NonceSlot | None:
        """Return the reserved nonce that is not settled; there is at most one over all keys."""

    def load_unsettled(self, chain_id: ChainId) -> list[Unsettled]:
        """Return the included or lost nonces of all keys that no final block has settled.

        The highest nonce of each key comes first.  Of very many, only the lost ones and the newest
        are returned.
        """

    def mark_lost(self, slot: NonceSlot) -> None:
        """Store that the nonce's transaction is no longer included; its cost no longer counts."""

    def settle_slot(
        self, slot: NonceSlot, outcome: str, cost: Cost | None = None, *, confirmed: bool = False
    ) -> None:
        """Store how the nonce ended: ``included``, ``reverted``, ``foreign`` or ``unused``.

        ``cost`` is the cost by the receipt.  Only ``confirmed`` settles the nonce and makes the
        cost count as given: until then a reorganisation may undo the outcome.
        """


class TxJournal(SettlementJournal, Protocol):
    """A journal of nonces and signed bytes.  Every write is durable when its method returns."""

    def reserve_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> NonceSlot:
        """Reserve a nonce.

        A known nonce that a reorganisation freed is opened again with its attempts, so that the
        same bytes are sent.
        """

    def find_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> NonceSlot | None:
        """Return the slot stored for a nonce, open or settled; None if the nonce is not stored."""

    def last_nonce(self, chain_id: ChainId, sender: Address) -> int | None:
        """Return the highest nonce that was signed for and not given up; None before the first."""

    def save_attempt(self, slot: NonceSlot, attempt: Attempt) -> None:
        """Store a signed transaction; only then may it be sent."""

    def sum_costs(self, chain_id: ChainId, since: int, *, but: NonceSlot | None = None) -> int:
        """Return the total cost in wei of all keys' transactions in blocks after ``since``.

        ``since`` is a Unix time.  An unconfirmed transaction counts at its maximum cost; that of
        ``but`` is left out.
        """
