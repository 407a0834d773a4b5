"""The transaction journal: nonces and signed bytes, stored durably before they take effect.

Implements ``anchor.chain.tx_journal_protocol.TxJournal`` over the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from anchor.base.errors import ChainGuardError
from anchor.base.messages.message import Message
from anchor.base.types import Address, ChainId, Hash32, Head
from anchor.chain.tx_cost import bound_cost
from anchor.chain.tx_state import LOST, Attempt, Cost, NonceSlot, Unsettled
from anchor.ethereum.keccak import hash_keccak256
from anchor.store.database import Database
from anchor.store.heads import AnchoredHead, parse_anchor, select_anchors
from anchor.store.schema import anchors, attempts, heads, slots

GIVEN_UP = "given-up"
"""The outcome of a nonce whose transaction is still valid but is no longer sent."""


# The most unconfirmed nonces that are loaded at once; far fewer ever wait for finality.
_MOST_UNSETTLED = 256


class StoredJournal:
    """The journal of one project."""

    def __init__(self, database: Database, current_time: Callable[[], str]) -> None:
        self._database = database
        self._current_time = current_time

    def open_slot(self, chain_id: ChainId) -> NonceSlot | None:
        """Return the nonce that is reserved and not settled, with its attempts, or None."""
        return self._find_slot((slots.c.chain_id == chain_id) & slots.c.outcome.is_(None))

    def reserve_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> NonceSlot:
        """Store the reservation of a nonce, before anything is signed for it."""
        with self._database.sequence() as connection:
            opened = connection.execute(
                update(slots)
                .where(_is_slot(slots, chain_id, sender, nonce))
                .values(outcome=None, **_cost_values(None), confirmed_at=None)
            )
            if opened.rowcount == 0:
                connection.execute(
                    insert(slots).values(
                        chain_id=chain_id,
                        sender=sender,
                        nonce=nonce,
                        reserved_at=self._current_time(),
                    )
                )
            reserved = select(slots).where(_is_slot(slots, chain_id, sender, nonce))
            return _parse_slot(connection, connection.execute(reserved).one())

    def find_slot(self, chain_id: ChainId, sender: Address, nonce: int) -> NonceSlot | None:
        """Return a stored nonce with its attempts, open or settled; None if it is not stored."""
        return self._find_slot(_is_slot(slots, chain_id, sender, nonce))

    def _find_slot(self, condition: ColumnElement[bool]) -> NonceSlot | None:
        with self._database.read() as connection:
            row = connection.execute(select(slots).where(condition)).one_or_none()
            return None if row is None else _parse_slot(connection, row)

    def last_nonce(self, chain_id: ChainId, sender: Address) -> int | None:
        """Return the highest nonce with a signed transaction that was not given up.

        Returns None before the first.
        """
        return self._read_signed(func.max(attempts.c.nonce), chain_id, sender)

    def save_attempt(self, slot: NonceSlot, attempt: Attempt) -> None:
        """Store a signed transaction's bytes, before they are sent."""
        with self._database.sequence() as connection:
            connection.execute(
                insert(attempts).values(
                    chain_id=slot.chain_id,
                    sender=slot.sender,
                    nonce=slot.nonce,
                    signed_at=self._current_time(),
                    **asdict(attempt),
                )
            )

    def settle_slot(
        self, slot: NonceSlot, outcome: str, cost: Cost | None = None, *, confirmed: bool = False
    ) -> None:
        """Store a nonce's outcome and cost; ``confirmed`` marks them as final."""
        self._end_slot(slot, outcome, cost, self._current_time() if confirmed else None)

    def mark_lost(self, slot: NonceSlot) -> None:
        """Store that a nonce's transaction is no longer included, and without a cost."""
        self._end_slot(slot, LOST, None, None)

    def _end_slot(
        self, slot: NonceSlot, outcome: str, cost: Cost | None, confirmed_at: str | None
    ) -> None:
        with self._database.sequence() as connection:
            connection.execute(
                update(slots)
                .where(_is_slot(slots, slot.chain_id, slot.sender, slot.nonce))
                .values(outcome=outcome, **_cost_values(cost), confirmed_at=confirmed_at)
            )

    def load_unsettled(self, chain_id: ChainId) -> list[Unsettled]:
        """Return the nonces of any key, included or lost, that no final block has confirmed.

        They are sorted from the highest.  If there are more than 256, the lost ones and the newest
        are returned.
        """
        query = (
            select(slots)
            .where(_counts_at_most(chain_id), slots.c.outcome.is_not(None))
            .order_by(slots.c.outcome != LOST, slots.c.nonce.desc())
            .limit(_MOST_UNSETTLED)
        )
        with self._database.read() as connection:
            unsettled = [
                Unsettled(
                    slot=_parse_slot(connection, row),
                    outcome=row.outcome,
                    included_at=row.included_at,
                )
                for row in connection.execute(query).all()
            ]
        return sorted(unsettled, key=lambda each: each.slot.nonce, reverse=True)

    def sum_costs(self, chain_id: ChainId, since: int, *, but: NonceSlot | None = None) -> int:
        """Return the cost in wei of transactions in blocks after ``since``, of any key.

        A nonce without a confirmed cost counts with its maximum cost, except for ``but``.
        """
        with self._database.read() as connection:
            confirmed = connection.execute(
                select(slots.c.gas_used, slots.c.gas_price, slots.c.l1_fee).where(
                    slots.c.chain_id == chain_id,
                    slots.c.included_at > since,
                    slots.c.confirmed_at.is_not(None),
                )
            )
            # Multiplied here, because the product may not fit into 64 bits.
            wei = 0
            for row in confirmed:
                wei += row.gas_used * row.gas_price + (row.l1_fee or 0)
            others = connection.execute(
                select(slots).where(
                    _counts_at_most(chain_id),
                    or_(slots.c.included_at.is_(None), slots.c.included_at > since),
                )
            )
            for other in others.all():
                if but is None or (other.sender, other.nonce) != (but.sender, but.nonce):
                    wei += bound_cost(_parse_slot(connection, other).attempts)
        return wei

    def list_slots(self, chain_id: ChainId) -> list[tuple[NonceSlot, str | None]]:
        """Return each nonce that is open, lost or given up, with its outcome."""
        query = select(slots).where(
            slots.c.chain_id == chain_id,
            or_(slots.c.outcome.is_(None), slots.c.outcome.in_((LOST, GIVEN_UP))),
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(slots.c.sender, slots.c.nonce)).all()
            return [(_parse_slot(connection, row), row.outcome) for row in rows]

    def find_signed(self, slot: NonceSlot, since: int) -> int | None:
        """Return the lowest signed nonce from ``since`` on and below the slot's, or None.

        Nonces that were given up are skipped.
        """
        between = attempts.c.nonce.between(since, slot.nonce - 1)
        return self._read_signed(func.min(attempts.c.nonce), slot.chain_id, slot.sender, between)

    def _read_signed(
        self,
        wanted: ColumnElement[int],
        chain_id: ChainId,
        sender: Address,
        *conditions: ColumnElement[bool],
    ) -> int | None:
        """Return the aggregate ``wanted`` over a key's signed nonces, without those given up."""
        query = (
            select(wanted)
            .join(slots)
            .where(
                attempts.c.chain_id == chain_id,
                attempts.c.sender == sender,
                or_(slots.c.outcome.is_(None), slots.c.outcome != GIVEN_UP),
                *conditions,
            )
        )
        with self._database.read() as connection:
            nonce: int | None = connection.execute(query).scalar_one()
        return nonce

    def load_deployments(self, chain_id: ChainId) -> list[NonceSlot]:
        """Return every nonce for which a deployment was signed, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(slots)
                .join(attempts)
                .where((attempts.c.chain_id == chain_id) & attempts.c.head_size.is_(None))
                .distinct()
                .order_by(slots.c.nonce)
            ).all()
            return [_parse_slot(connection, row) for row in rows]


def _is_slot(table: Table, chain_id: ChainId, sender: Address, nonce: int) -> ColumnElement[bool]:
    return (table.c.chain_id == chain_id) & (table.c.sender == sender) & (table.c.nonce == nonce)


def _counts_at_most(chain_id: ChainId) -> ColumnElement[bool]:
    """Select nonces with an attempt that is or may be included, without a confirmed cost."""
    return and_(
        slots.c.chain_id == chain_id,
        slots.c.confirmed_at.is_(None),
        or_(slots.c.outcome.is_(None), slots.c.outcome.in_(("included", "reverted", LOST))),
    )


def _cost_values(cost: Cost | None) -> dict[str, int | None]:
    if cost is None:
        return dict.fromkeys(("gas_used", "gas_price", "l1_fee", "included_at"))
    return {
        "gas_used": cost.gas_used,
        "gas_price": cost.gas_price,
        "l1_fee": cost.l1_fee,
        "included_at": cost.timestamp,
    }


def _parse_slot(connection: Connection, row: Row[Any]) -> NonceSlot:
    """Return the nonce in a row of ``slots``, with its attempts."""
    rows = connection.execute(
        select(*(attempts.c[field.name] for field in fields(Attempt)))
        .where(_is_slot(attempts, row.chain_id, row.sender, row.nonce))
        .order_by(attempts.c.max_fee)
    )
    return NonceSlot(
        chain_id=row.chain_id,
        sender=row.sender,
        nonce=row.nonce,
        attempts=tuple(map(_parse_attempt, rows)),
        given_up=row.outcome == GIVEN_UP,
    )


def _parse_attempt(row: Row[Any]) -> Attempt:
    if hash_keccak256(row.raw) != row.tx_hash:
        raise ChainGuardError(
            Message("tx-stored-hash-mismatch", tx_hash=row.tx_hash.hex()),
            hint=Message("store-altered-unsent-hint"),
        )
    return Attempt(**row._asdict())


def find_submitted_size(connection: Connection, chain_id: ChainId) -> int | None:
    """Return the size of the largest head that a pending transaction anchors, or None."""
    is_open = (slots.c.chain_id == chain_id) & slots.c.outcome.is_(None)
    size: int | None = connection.execute(
        select(func.max(attempts.c.head_size)).join(slots).where(is_open)
    ).scalar_one()
    return size


def find_transaction_head(
    connection: Connection, chain_id: ChainId, tx_hash: Hash32
) -> Head | None:
    """Return the head that a signed transaction anchors; None if there is no such transaction."""
    query = (
        select(heads.c.root, heads.c.size)
        .join(attempts, attempts.c.head_size == heads.c.size)
        .where(attempts.c.tx_hash == tx_hash, attempts.c.chain_id == chain_id)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Head(root=Hash32(row.root), size=row.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """A reserved nonce, its outcome (None: open), and the number of signed attempts."""

    chain_id: ChainId
    sender: Address
    nonce: int
    outcome: str | None
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow(Attempt):
    """A stored attempt with the head that it is recorded to anchor."""

    chain_id: ChainId
    sender: Address
    nonce: int
    head: Head | None
    signed_at: str


def load_slot_rows(connection: Connection) -> list[SlotRow]:
    """Return every nonce that was ever reserved, by chain, sender and number."""
    key = (slots.c.chain_id, slots.c.sender, slots.c.nonce)
    rows = connection.execute(
        select(
            *key,
            slots.c.outcome,
            func.count(attempts.c.tx_hash).label("attempts"),
        )
        .select_from(slots.outerjoin(attempts))
        .group_by(*key, slots.c.outcome)
        .order_by(*key)
    )
    return [SlotRow(**row._asdict()) for row in rows]


def load_attempt_rows(connection: Connection) -> Iterator[AttemptRow]:
    """Yield every attempt, by nonce; ``head`` is None if it anchors no head of this log."""
    rows = connection.execute(
        select(attempts, heads.c.root)
        .select_from(attempts.outerjoin(heads))
        .order_by(attempts.c.chain_id, attempts.c.sender, attempts.c.nonce, attempts.c.max_fee)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        values = row._asdict()
        root = values.pop("root")
        head = None if root is None else Head(root=root, size=row.head_size)
        yield AttemptRow(head=head, **values)


def load_unsigned_anchors(
    connection: Connection, chain_id: ChainId, most: int
) -> list[AnchoredHead]:
    """Return the newest anchors whose transaction is not in the journal, at most ``most``."""
    is_signed = exists().where(attempts.c.tx_hash == anchors.c.tx_hash)
    rows = connection.execute(
        select_anchors(chain_id).where(~is_signed).order_by(anchors.c.head_size.desc()).limit(most)
    )
    return [parse_anchor(row) for row in rows]


def load_unknown_hints(connection: Connection) -> list[tuple[int, Hash32]]:
    """Return size and transaction of each anchor that names a transaction not in the journal."""
    rows = connection.execute(
        select(anchors.c.head_size, anchors.c.tx_hash)
        .select_from(anchors.outerjoin(attempts, attempts.c.tx_hash == anchors.c.tx_hash))
        .where(anchors.c.tx_hash.is_not(None), attempts.c.tx_hash.is_(None))
        .order_by(anchors.c.head_size)
    )
    return [(row.head_size, Hash32(row.tx_hash)) for row in rows]
