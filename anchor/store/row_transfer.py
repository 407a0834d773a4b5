"""Transfer between stores: from a backup to a restored store, or to a successor's."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from sqlalchemy import Connection, insert, select

from anchor.base.messages.message import Message
from anchor.base.types import Hash32, Head
from anchor.store.acknowledged_log import build_block, build_entry
from anchor.store.acknowledged_log_frames import Entry, EntryBlock
from anchor.store.columns import EvidenceRow, Run
from anchor.store.evidence_kinds import parse_kinds
from anchor.store.file_origins import tenant_of
from anchor.store.run_parts import cut
from anchor.store.runs import find_size, load_runs
from anchor.store.schema import attempts, heads, slots
from anchor.store.tx_journal import AttemptRow

SlotKey: TypeAlias = tuple[int, bytes, int]
"""A nonce: chain, sender and number."""

Skipped: TypeAlias = Callable[[Message], None]
"""Receives a message for each damaged run, which is left out."""


def load_placed_runs(
    connection: Connection, start: int, end: int, skipped: Skipped | None = None
) -> Iterator[Run]:
    """Yield the sealed evidence from index ``start`` up to ``end`` as runs that do not overlap.

    Runs that extend beyond are cut.

    Raises:
        ChainGuardError: A run is damaged, and ``skipped`` is not given.
    """
    end = min(end, find_size(connection))
    for run in load_runs(connection, start, end, skipped=skipped):
        low, high = max(start, run.first), min(end, run.end)
        if low < high:
            yield cut(run, low - run.first, high - run.first)
            start = high


def load_placed_rows(
    connection: Connection, indices: Collection[int], skipped: Skipped | None = None
) -> dict[int, EvidenceRow]:
    """Return those of the pieces with these leaf indices that are sealed, by leaf index.

    Raises:
        ChainGuardError: A run is damaged, and ``skipped`` is not given.
    """
    wanted = sorted(indices)
    if not wanted:
        return {}
    rows: dict[int, EvidenceRow] = {}
    for run in load_placed_runs(connection, wanted[0], wanted[-1] + 1, skipped):
        here = wanted[bisect_left(wanted, run.first) : bisect_left(wanted, run.end)]
        rows.update((index, _read_row(run, index - run.first)) for index in here)
    return rows


def load_rows_after(
    connection: Connection, size: int, skipped: Skipped | None = None
) -> Iterator[EvidenceRow]:
    """Yield the evidence that is not among the log's first ``size`` leaves, in order.

    Raises:
        ChainGuardError: A run is damaged, and ``skipped`` is not given.
    """
    for run in load_runs(connection, size, skipped=skipped):
        for at in range(max(size - run.first, 0), run.pieces):
            yield _read_row(run, at)


def _read_row(run: Run, at: int) -> EvidenceRow:
    row = run.row(at)
    if not run.has_digest(at) and row.identity == _identify_leaf(run.first + at, row.leaf):
        return replace(row, is_stored=False)
    return row


def build_entries(run: Run, places: Collection[int]) -> Iterator[Entry | EntryBlock]:
    """Yield side-file entries for the pieces in ``places``, in order."""
    tenants = {_tenant_of_all(kind.prefix) for kind in parse_kinds(run.shared)}
    if len(places) == run.pieces and len(tenants) == 1 and None not in tenants:
        yield build_block(run)
    else:
        yield from (build_entry(run.row(at)) for at in sorted(places))


def _tenant_of_all(prefix: str | None) -> str | None:
    """Return whose all sources with a prefix are, as side files name it; None if they differ."""
    if prefix is None:
        return None
    tenant = tenant_of(prefix)
    return "" if tenant is None and prefix.startswith(("/", "digest:")) else tenant


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
