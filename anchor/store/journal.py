"""The transaction journal: nonces and signed bytes, durable before their effect.

Implements ``anchor.chain.txmgr.TxJournal`` over the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, insert, select, update

from anchor.chain.attempts import Attempt, Slot
from anchor.errors import ChainGuardError
from anchor.registry.keccak import hash_keccak256
from anchor.store.database import Database
from anchor.store.schema import attempts, slots
from anchor.types import Address, ChainId, Hash32


def find_altered_attempts(connection: Connection) -> Iterator[Hash32]:
    """Yield the hash of each stored transaction whose bytes no longer have it."""
    rows = connection.execute(select(attempts.c.tx_hash, attempts.c.raw))
    for row in rows:
        if hash_keccak256(row.raw) != row.tx_hash:
            yield Hash32(row.tx_hash)


class StoredJournal:
    """The journal of one project."""

    def __init__(self, database: Database, now: Callable[[], str]) -> None:
        self._database = database
        self._now = now

    def open_slot(self, chain_id: ChainId) -> Slot | None:
        """Return the nonce that is reserved and not settled, with its attempts."""
        with self._database.read() as connection:
            row = connection.execute(
                select(slots.c.sender, slots.c.nonce).where(
                    (slots.c.chain_id == chain_id) & slots.c.outcome.is_(None)
                )
            ).one_or_none()
            if row is None:
                return None
            return _load_slot(connection, chain_id, Address(row.sender), row.nonce)

    def reserve_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> Slot:
        """Store the reservation of a nonce, before anything is signed for it."""
        with self._database.write() as connection:
            opened = connection.execute(
                update(slots).where(_is_slot(slots, chain_id, sender, nonce)).values(outcome=None)
            )
            if opened.rowcount == 0:
                connection.execute(
                    insert(slots).values(
                        chain_id=chain_id, sender=sender, nonce=nonce, reserved_at=self._now()
                    )
                )
            return _load_slot(connection, chain_id, sender, nonce)

    def save_attempt(self, slot: Slot, attempt: Attempt) -> None:
        """Store a signed transaction's bytes, before they are sent."""
        with self._database.write() as connection:
            connection.execute(
                insert(attempts).values(
                    tx_hash=attempt.tx_hash,
                    chain_id=slot.chain_id,
                    sender=slot.sender,
                    nonce=slot.nonce,
                    head_size=attempt.head_size,
                    raw=attempt.raw,
                    max_fee=attempt.max_fee,
                    priority_fee=attempt.priority_fee,
                    signed_at=self._now(),
                )
            )

    def settle_slot(self, slot: Slot, outcome: str) -> None:
        """Store how a nonce ended: ``included``, ``reverted``, ``foreign`` or ``unused``."""
        with self._database.write() as connection:
            connection.execute(
                update(slots)
                .where(_is_slot(slots, slot.chain_id, slot.sender, slot.nonce))
                .values(outcome=outcome)
            )

    def load_deployments(self, chain_id: ChainId) -> list[Slot]:
        """Return every nonce for which a deployment was signed, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(attempts.c.sender, attempts.c.nonce)
                .where((attempts.c.chain_id == chain_id) & attempts.c.head_size.is_(None))
                .distinct()
                .order_by(attempts.c.nonce)
            ).all()
            return [
                _load_slot(connection, chain_id, Address(row.sender), row.nonce) for row in rows
            ]


def _is_slot(table: Table, chain_id: ChainId, sender: Address, nonce: int) -> ColumnElement[bool]:
    return (table.c.chain_id == chain_id) & (table.c.sender == sender) & (table.c.nonce == nonce)


def _load_slot(connection: Connection, chain_id: ChainId, sender: Address, nonce: int) -> Slot:
    rows = connection.execute(
        select(attempts)
        .where(_is_slot(attempts, chain_id, sender, nonce))
        .order_by(attempts.c.max_fee)
    )
    return Slot(
        chain_id=chain_id,
        sender=sender,
        nonce=nonce,
        attempts=tuple(map(_parse_attempt, rows)),
    )


def _parse_attempt(row: Row[Any]) -> Attempt:
    if hash_keccak256(row.raw) != row.tx_hash:
        raise ChainGuardError(
            f"the stored transaction 0x{row.tx_hash.hex()} no longer has that hash",
            hint="the store was damaged or altered: restore it from a backup; nothing was sent",
        )
    return Attempt(
        tx_hash=Hash32(row.tx_hash),
        raw=row.raw,
        head_size=row.head_size,
        max_fee=row.max_fee,
        priority_fee=row.priority_fee,
    )
