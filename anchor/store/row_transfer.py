"""Transfer of rows between stores: from a backup to a restored store, or to a successor's."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, exists, func, insert, literal, or_, select

from anchor.store.evidence import EvidenceRow, select_with_place
from anchor.store.schema import (
    Bytes,
    attempts,
    evidence,
    heads,
    keys,
    positions,
    slots,
    waiting,
)
from anchor.store.tx_journal import AttemptRow
from anchor.types import Hash32, Head

SlotKey: TypeAlias = tuple[int, bytes, int]
"""A nonce: chain, sender and number."""

_CONTENT = [column.name for column in evidence.c if column is not evidence.c.id]


def load_placed_rows(connection: Connection, start: int, end: int) -> dict[int, EvidenceRow]:
    """Return the evidence with leaf indices from ``start`` up to ``end``, by leaf index."""
    rows = connection.execute(
        select_with_place(evidence).where(
            positions.c.leaf_index >= start, positions.c.leaf_index < end
        )
    )
    return {row.leaf_index: _parse_row(row) for row in rows}


def load_rows_after(connection: Connection, size: int) -> Iterator[EvidenceRow]:
    """Yield the evidence that is not among the log's first ``size`` leaves.

    Placed evidence comes first in the log's order, then queued evidence in the order of the queue.
    """
    rows = connection.execute(
        select_with_place(evidence)
        .where(or_(positions.c.leaf_index.is_(None), positions.c.leaf_index >= size))
        .order_by(positions.c.leaf_index.is_(None), positions.c.leaf_index, evidence.c.id)
        .execution_options(yield_per=1_000)
    )
    return map(_parse_row, rows)


def insert_rows(connection: Connection, rows: Sequence[EvidenceRow]) -> None:
    """Insert and queue evidence, in this order; its identities must be new."""
    if not rows:
        return
    last = connection.execute(select(func.coalesce(func.max(evidence.c.id), 0))).scalar_one()
    connection.execute(
        insert(evidence),
        [{name: getattr(row, name) for name in _CONTENT} for row in rows],
    )
    # This transaction is the only writer, so that these are exactly the rows inserted above.
    connection.execute(
        insert(waiting).from_select(
            ["evidence_id"], select(evidence.c.id).where(evidence.c.id > last)
        )
    )


def load_sealing_times(connection: Connection) -> dict[Head, str]:
    """Return when each head was sealed."""
    rows = connection.execute(select(heads.c.size, heads.c.root, heads.c.sealed_at))
    return {Head(root=Hash32(row.root), size=row.size): row.sealed_at for row in rows}


def load_slots(connection: Connection) -> dict[SlotKey, Mapping[str, Any]]:
    """Return the stored row, with its cost, of every nonce that was ever reserved."""
    rows = connection.execute(select(slots))
    return {(row.chain_id, row.sender, row.nonce): row._asdict() for row in rows}


def insert_slot(connection: Connection, slot: Mapping[str, Any]) -> None:
    """Insert a nonce's row from another store."""
    connection.execute(insert(slots).values(**slot))


def insert_attempt_row(connection: Connection, row: AttemptRow) -> None:
    """Insert a signed transaction from another store; its nonce and head must be stored already."""
    values = {column.name: getattr(row, column.name) for column in attempts.c}
    values["head_size"] = None if row.head is None else row.head.size
    connection.execute(insert(attempts).values(**values))


def load_keys(connection: Connection, without: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each idempotency key and its evidence's identity, except for leaves in ``without``."""
    rows = connection.execute(
        select(keys.c.key, evidence.c.identity, evidence.c.leaf)
        .join(evidence)
        .execution_options(yield_per=1_000)
    )
    for row in rows:
        if row.leaf not in without:
            yield row.key, row.identity


def insert_keys(connection: Connection, idempotency_keys: Sequence[tuple[bytes, bytes]]) -> None:
    """Insert the idempotency keys that are new and whose evidence is stored."""
    for key, identity in idempotency_keys:
        is_known = exists().where(keys.c.key == key)
        connection.execute(
            insert(keys).from_select(
                ["key", "evidence_id"],
                select(literal(key, Bytes), evidence.c.id).where(
                    evidence.c.identity == identity, ~is_known
                ),
            )
        )


def _parse_row(row: Row[Any]) -> EvidenceRow:
    return EvidenceRow(**{name: getattr(row, name) for name in _CONTENT})
