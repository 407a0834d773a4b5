"""Filling a new store with what is left of a log: rows from other stores, from receipts, or hashes.

``anchor.pipeline.restoring`` decides which leaves are the log's; here each gets its row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anchor.chain.node import Node
from anchor.config import Config
from anchor.errors import AnchorError
from anchor.filenames import RECEIPT_SUFFIX
from anchor.merkle import hash_leaf
from anchor.pipeline.acceptance import Submission, identify
from anchor.pipeline.chainaudit import fetch_anchor
from anchor.pipeline.gathering import source_of
from anchor.pipeline.leafsources import FoundReceipts, LeafSource
from anchor.pipeline.project import utc_now
from anchor.receipt import MAX_RECEIPT_BYTES, parse_receipt
from anchor.record import format_time, parse_record
from anchor.store.database import Database
from anchor.store.evidence import known_identities, place_waiting
from anchor.store.heads import (
    AnchoredHead,
    SealedHead,
    insert_head,
    load_anchors,
    load_heads,
    save_anchor,
)
from anchor.store.journal import AttemptRow, SlotRow, load_attempt_rows, load_slot_rows
from anchor.store.transfer import (
    EvidenceRow,
    insert_attempt_row,
    insert_rows,
    insert_slot_row,
    load_placed_rows,
    load_rows_after,
    load_sealing_times,
)
from anchor.tree import HASH, RightEdge
from anchor.types import Hash32, Head

# Rows in one transaction, each with a record of a KiB or so.
_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What is left: leaves to choose from, other stores of this log, receipts, and sizes to try."""

    leaves: Sequence[LeafSource]
    stores: Sequence[Database]
    receipts: FoundReceipts
    sizes: frozenset[int]


def fill_store(
    config: Config,
    node: Node,
    database: Database,
    source: LeafSource,
    edges: dict[int, RightEdge],
    anchored: list[AnchoredHead],
    remains: Remains,
    final: Hash32 | None,
) -> tuple[int, int, int]:
    """Write everything; return how many leaves have a record, how many have none, and who waits.

    ``final`` is the hash of the final block by which open nonces are settled, if there is one.
    """
    now = utc_now()
    loose = {row.leaf: row for row in _load_loose(edges, remains.stores)}
    lost = 0
    for leaves, start in _batches(source):
        rows = list(_find_rows(leaves, start, remains, loose, now))
        lost += sum(row.record is None for row in rows)
        with database.write() as connection:
            taken = known_identities(connection, [row.identity for row in rows])
            insert_rows(connection, _make_unique(rows, taken, start))
            place_waiting(connection, start)
    kept = _insert_heads(database, source, edges, anchored, remains, now)
    _insert_journal(config, node, database, remains, kept, final)
    with database.write() as connection:
        for item in anchored:
            save_anchor(connection, config.chain_id, _with_hints(config, item, remains.stores))
    # What was accepted and has no place in the log waits, so that nothing acknowledged is lost.
    waiting = _insert_unplaced(database, list(loose.values()))
    return source.size - lost, lost, waiting


def _load_loose(edges: dict[int, RightEdge], stores: Sequence[Database]) -> Iterator[EvidenceRow]:
    """Yield what the stores hold beyond the heads that they share with the log.

    It waits there, or has a place that need not be the log's.
    """
    for store in stores:
        with store.read() as connection:
            shared = [
                head.size
                for head in load_heads(connection)
                if head.size in edges and edges[head.size].root() == head.root
            ]
            yield from load_rows_after(connection, max(shared, default=0))


def load_slots(store: Database) -> dict[tuple[int, bytes, int], SlotRow]:
    """Return a store's reserved nonces by chain, sender and number."""
    with store.read() as connection:
        return {(row.chain_id, row.sender, row.nonce): row for row in load_slot_rows(connection)}


def _batches(source: LeafSource) -> Iterator[tuple[bytes, int]]:
    start = 0
    for leaves in source.read(0, source.size):
        for at in range(0, len(leaves), _BATCH * HASH):
            part = leaves[at : at + _BATCH * HASH]
            yield part, start
            start += len(part) // HASH


def _find_rows(
    leaves: bytes, start: int, remains: Remains, loose: dict[Hash32, EvidenceRow], now: str
) -> Iterator[EvidenceRow]:
    """Yield a row for each leaf: from a store, else from a receipt, else the leaf alone."""
    end = start + len(leaves) // HASH
    stored = []
    for store in remains.stores:
        with store.read() as connection:
            stored.append(load_placed_rows(connection, start, end))
    for index in range(start, end):
        leaf = Hash32(leaves[(index - start) * HASH :][:HASH])
        rows = [rows[index] for rows in stored if index in rows and rows[index].leaf == leaf]
        rows += [loose[leaf]] if leaf in loose else []
        whole = next((row for row in rows if row.record is not None), None)
        if whole is None:
            found = (
                _row_of_receipt(path, leaf) for path in remains.receipts.by_index.get(index, ())
            )
            whole = next(filter(None, found), None)
        yield whole or next(iter(rows), None) or _row_of_leaf(index, leaf, now)


def _row_of_receipt(path: Path, leaf: Hash32) -> EvidenceRow | None:
    """Return the evidence as it was accepted; None where the receipt's record is another leaf's."""
    try:
        with path.open("rb") as file:
            receipt = parse_receipt(file.read(MAX_RECEIPT_BYTES + 1))
        record = parse_record(receipt.record)
    except (AnchorError, OSError):
        return None
    if hash_leaf(receipt.record) != leaf:
        return None
    file_of = path.with_name(path.name.removesuffix(RECEIPT_SUFFIX))
    source = source_of(file_of) if file_of.is_file() else record.name
    submission = Submission(source=source, name=record.name, digests=record.digests)
    return EvidenceRow(
        identity=identify(submission),
        source=source,
        sha256=record.digests.sha256,
        sm3=record.digests.sm3,
        record=receipt.record,
        leaf=leaf,
        accepted_at=format_time(record.recorded_at),
    )


def _row_of_leaf(index: int, leaf: Hash32, now: str) -> EvidenceRow:
    return EvidenceRow(
        identity=hashlib.sha256(b"leaf" + index.to_bytes(8, "big") + leaf).digest(),
        source=f"(leaf {index}, whose record is lost)",
        sha256=None,
        sm3=None,
        record=None,
        leaf=leaf,
        accepted_at=now,
    )


def _make_unique(rows: list[EvidenceRow], taken: set[bytes], start: int) -> list[EvidenceRow]:
    """Give a second receipt for one file an identity of its own, as ``add --again`` does."""
    unique = []
    for index, row in enumerate(rows, start=start):
        if row.identity in taken:
            mark = index.to_bytes(8, "big")
            row = replace(row, identity=hashlib.sha256(row.identity + row.leaf + mark).digest())
        taken.add(row.identity)
        unique.append(row)
    return unique


def _insert_heads(
    database: Database,
    source: LeafSource,
    edges: dict[int, RightEdge],
    anchored: list[AnchoredHead],
    remains: Remains,
    now: str,
) -> set[Head]:
    """Insert the heads that are known to have been sealed, and the newest one; return them."""
    sealed: dict[Head, str] = {}
    for store in remains.stores:
        with store.read() as connection:
            times = load_sealing_times(connection)
            sealed |= {head: times[head.size] for head in load_heads(connection)}
    sizes = {item.head.size for item in anchored} | {source.size}
    kept = set()
    with database.write() as connection:
        for size, edge in sorted(edges.items()):
            head = Head(root=edge.root(), size=size)
            if size in sizes or head in sealed:
                insert_head(
                    connection, SealedHead(head=head, right_edge=edge), sealed.get(head, now)
                )
                kept.add(head)
    return kept


def _insert_journal(
    config: Config,
    node: Node,
    database: Database,
    remains: Remains,
    kept: set[Head],
    final: Hash32 | None,
) -> None:
    """Take over what other stores know of our transactions; the chain says how each ended."""
    slots: dict[tuple[int, bytes, int], SlotRow] = {}
    attempts: dict[Hash32, AttemptRow] = {}
    for store in remains.stores:
        slots = load_slots(store) | slots
        with store.read() as connection:
            attempts = {row.tx_hash: row for row in load_attempt_rows(connection)} | attempts
    signed: dict[tuple[int, bytes, int], list[AttemptRow]] = {}
    for attempt in attempts.values():
        if attempt.head is None or attempt.head in kept:
            nonce: tuple[int, bytes, int] = (attempt.chain_id, attempt.sender, attempt.nonce)
            signed.setdefault(nonce, []).append(attempt)
    with database.write() as connection:
        for key, slot in slots.items():
            mine = signed.get(key, [])
            if not mine:
                continue  # nothing was signed that could ever be included
            if slot.outcome is None and final is not None:
                slot = replace(slot, outcome=_settle(config, node, slot, mine, final))
            insert_slot_row(connection, slot)
            for attempt in mine:
                insert_attempt_row(connection, attempt)


def _settle(
    config: Config, node: Node, slot: SlotRow, mine: list[AttemptRow], final: Hash32
) -> str | None:
    """Return how an open nonce ended; None while its transactions can still be included."""
    if node.fetch_nonce(slot.sender, final) <= slot.nonce:
        return None
    for attempt in mine:
        receipt = node.fetch_receipt(attempt.tx_hash)
        if receipt is not None:
            return "included" if receipt.succeeded else "reverted"
        # Nodes may have dropped the receipt; the state stays.
        if attempt.head and fetch_anchor(config, node, attempt.head.root, final):
            return "included"
    return "foreign"


def _with_hints(config: Config, item: AnchoredHead, stores: Sequence[Database]) -> AnchoredHead:
    """Add which transaction it was, where a store knows and the anchor is the same."""
    for store in stores:
        with store.read() as connection:
            for known in load_anchors(connection, config.chain_id):
                same = (known.head, known.sequence, known.block_number)
                if same == (item.head, item.sequence, item.block_number):
                    return replace(item, tx_hash=known.tx_hash, block_hash=known.block_hash)
    return item


def _insert_unplaced(database: Database, rows: list[EvidenceRow]) -> int:
    count = 0
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        with database.write() as connection:
            known = known_identities(connection, [row.identity for row in batch])
            new = [row for row in batch if row.identity not in known and row.record is not None]
            insert_rows(connection, new)
        count += len(new)
    return count
