"""Transfer of rows between stores: from a backup to a restored store, or to a successor's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from sqlalchemy import Connection, insert, select

from anchor.messages.message import Message
from anchor.store.columns import EvidenceRow
from anchor.store.runs import find_end, find_size, load_runs
from anchor.store.schema import attempts, heads, slots
from anchor.store.tx_journal import AttemptRow
from anchor.types import Hash32, Head

SlotKey: TypeAlias = tuple[int, bytes, int]
"""A nonce: chain, sender and number."""

Skipped: TypeAlias = Callable[[Message], None]
"""Receives a message for each damaged run, which is left out."""


def load_placed_rows(
    connection: Connection, start: int, end: int, skipped: Skipped | None = None
) -> dict[int, EvidenceRow]:
    """Return the evidence with leaf indices from ``start`` up to ``end``, by leaf index.

    Raises:
        ChainGuardError: A run is damaged, and ``skipped`` is not given.
    """
    end = min(end, find_size(connection))
    return dict(_load_rows(connection, start, end, skipped))


def load_rows_after(
    connection: Connection, size: int, skipped: Skipped | None = None
) -> Iterator[EvidenceRow]:
    """Yield the evidence that is not among the log's first ``size`` leaves, in order.

    Raises:
        ChainGuardError: A run is damaged, and ``skipped`` is not given.
    """
    for _, row in _load_rows(connection, size, find_end(connection), skipped):
        yield row


def _load_rows(
    connection: Connection, start: int, end: int, skipped: Skipped | None
) -> Iterator[tuple[int, EvidenceRow]]:
    for run in load_runs(connection, start, end, skipped=skipped):
        for at in range(max(start - run.first, 0), min(end, run.end) - run.first):
            index, row = run.first + at, run.row(at)
            has_digests = row.sha256 is not None or row.sm3 is not None
            if not has_digests and row.identity == _identify_leaf(index, row.leaf):
                row = replace(row, is_stored=False)
            yield index, row


def row_of_leaf(index: int, leaf: Hash32, accepted_at: str) -> EvidenceRow:
    """Return what is left of evidence of which only the leaf is known."""
    return EvidenceRow(
        identity=_identify_leaf(index, leaf),
        source=f"(leaf {index}, whose record is lost)",
        sha256=None,
        sm3=None,
        record=None,
        leaf=leaf,
        accepted_at=accepted_at,
        is_stored=False,
    )


def _identify_leaf(index: int, leaf: Hash32) -> bytes:
    return hashlib.sha256(b"leaf" + index.to_bytes(8, "big") + leaf).digest()


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
