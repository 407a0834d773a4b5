"""The transaction journal: nonces and signed bytes, durable before their effect.

Implements ``anchor.chain.txmgr.TxJournal`` over the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, insert, select, update

from anchor.chain.attempts import Attempt, Cost, Slot
from anchor.errors import ChainGuardError
from anchor.registry.keccak import hash_keccak256
from anchor.store.database import Database
from anchor.store.schema import anchors, attempts, heads, slots
from anchor.types import Address, ChainId, Hash32, Head


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
        with self._database.sequence() as connection:
            opened = connection.execute(
                update(slots)
                .where(_is_slot(slots, chain_id, sender, nonce))
                .values(outcome=None, gas_used=None, gas_price=None, included_at=None)
            )
            if opened.rowcount == 0:
                connection.execute(
                    insert(slots).values(
                        chain_id=chain_id, sender=sender, nonce=nonce, reserved_at=self._now()
                    )
                )
            return _load_slot(connection, chain_id, sender, nonce)

    def find_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> Slot | None:
        """Return what is stored for a nonce, open or settled; None where nothing is."""
        with self._database.read() as connection:
            stored = connection.execute(
                select(slots.c.nonce).where(_is_slot(slots, chain_id, sender, nonce))
            ).one_or_none()
            return None if stored is None else _load_slot(connection, chain_id, sender, nonce)

    def last_nonce(self, chain_id: ChainId, sender: Address) -> int | None:
        """Return the highest nonce that a transaction was signed for; None before the first."""
        with self._database.read() as connection:
            last: int | None = connection.execute(
                select(func.max(attempts.c.nonce)).where(
                    (attempts.c.chain_id == chain_id) & (attempts.c.sender == sender)
                )
            ).scalar_one()
        return last

    def save_attempt(self, slot: Slot, attempt: Attempt) -> None:
        """Store a signed transaction's bytes, before they are sent."""
        with self._database.sequence() as connection:
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

    def settle_slot(self, slot: Slot, outcome: str, cost: Cost | None = None) -> None:
        """Store how a nonce ended, and what it took."""
        with self._database.sequence() as connection:
            connection.execute(
                update(slots)
                .where(_is_slot(slots, slot.chain_id, slot.sender, slot.nonce))
                .values(
                    outcome=outcome,
                    gas_used=cost and cost.gas_used,
                    gas_price=cost and cost.gas_price,
                    included_at=cost and cost.timestamp,
                )
            )

    def sum_costs(self, chain_id: ChainId, since: int) -> int:
        """Return the wei that settled transactions took in blocks after ``since``."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(slots.c.gas_used, slots.c.gas_price).where(
                    (slots.c.chain_id == chain_id) & (slots.c.included_at > since)
                )
            )
            # Multiplied here: the product may not fit into 64 bits.
            return sum(row.gas_used * row.gas_price for row in rows)

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


def find_submitted_size(connection: Connection, chain_id: ChainId) -> int | None:
    """Return the size of the largest head that a transaction on its way anchors, if one is."""
    is_open = (slots.c.chain_id == chain_id) & slots.c.outcome.is_(None)
    same = [attempts.c[name] == slots.c[name] for name in ("chain_id", "sender", "nonce")]
    found: int | None = connection.execute(
        select(func.max(attempts.c.head_size)).join(slots, and_(*same)).where(is_open)
    ).scalar_one()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """A reserved nonce, how it ended (None: it is open), and how many attempts were signed."""

    chain_id: ChainId
    sender: Address
    nonce: int
    reserved_at: str
    outcome: str | None
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """An attempt as it is stored, with the head it says it anchors."""

    tx_hash: Hash32
    chain_id: ChainId
    sender: Address
    nonce: int
    head: Head | None
    raw: bytes
    max_fee: int
    priority_fee: int
    signed_at: str


def load_slot_rows(connection: Connection) -> list[SlotRow]:
    """Return every nonce that was ever reserved, by chain, sender and number."""
    key = (slots.c.chain_id, slots.c.sender, slots.c.nonce)
    rows = connection.execute(
        select(
            *key,
            slots.c.reserved_at,
            slots.c.outcome,
            func.count(attempts.c.tx_hash).label("number"),
        )
        .select_from(
            slots.outerjoin(
                attempts,
                (attempts.c.chain_id == slots.c.chain_id)
                & (attempts.c.sender == slots.c.sender)
                & (attempts.c.nonce == slots.c.nonce),
            )
        )
        .group_by(*key, slots.c.reserved_at, slots.c.outcome)
        .order_by(*key)
    )
    return [
        SlotRow(
            chain_id=ChainId(row.chain_id),
            sender=Address(row.sender),
            nonce=row.nonce,
            reserved_at=row.reserved_at,
            outcome=row.outcome,
            attempts=row.number,
        )
        for row in rows
    ]


def load_attempt_rows(connection: Connection) -> Iterator[AttemptRow]:
    """Yield every attempt, by nonce; ``head`` None where it anchors none, or none of ours."""
    rows = connection.execute(
        select(attempts, heads.c.root)
        .select_from(attempts.outerjoin(heads, heads.c.size == attempts.c.head_size))
        .order_by(attempts.c.chain_id, attempts.c.sender, attempts.c.nonce, attempts.c.max_fee)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        yield AttemptRow(
            tx_hash=Hash32(row.tx_hash),
            chain_id=ChainId(row.chain_id),
            sender=Address(row.sender),
            nonce=row.nonce,
            head=None if row.root is None else Head(root=Hash32(row.root), size=row.head_size),
            raw=row.raw,
            max_fee=row.max_fee,
            priority_fee=row.priority_fee,
            signed_at=row.signed_at,
        )


def load_unknown_hints(connection: Connection) -> list[tuple[int, Hash32]]:
    """Return size and transaction of each anchor that names a transaction we did not sign."""
    rows = connection.execute(
        select(anchors.c.head_size, anchors.c.tx_hash)
        .select_from(anchors.outerjoin(attempts, attempts.c.tx_hash == anchors.c.tx_hash))
        .where(anchors.c.tx_hash.is_not(None), attempts.c.tx_hash.is_(None))
        .order_by(anchors.c.head_size)
    )
    return [(row.head_size, Hash32(row.tx_hash)) for row in rows]
