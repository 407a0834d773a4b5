"""Filling a new store from the remains of a log: rows of other stores, receipts, or leaf hashes.

``anchor.recovery.restore`` decides which leaves belong to the log; this module writes their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.types import Address, Hash32, Head
from anchor.chain.node import Node, TransactionReceipt
from anchor.chain.registry_reader import RegistryReader
from anchor.log.tree import HASH, RightEdge
from anchor.project.config import Config
from anchor.recovery.custody_restoration import restore_custody_keys
from anchor.recovery.erasure_restoration import reapply_erasures, restore_erased_keys
from anchor.recovery.leaf_origins import LeafOrigin
from anchor.recovery.log_runs import (
    Sources,
    check_record,
    find_parts,
    restore_columns,
    restore_ownership,
    row_of_receipt,
)
from anchor.recovery.notice_restoration import restore_notice_keys
from anchor.recovery.owners import LeafOwners, OwnedLeaf
from anchor.recovery.remains import Remains
from anchor.store import fingerprints
from anchor.store.acknowledged_log import build_entry
from anchor.store.batches import in_batches
from anchor.store.captures import copy_captures
from anchor.store.certificates import copy_certificates
from anchor.store.columns import ERASED, MOST_PIECES, EvidenceRow
from anchor.store.copy_rows import transfer_copies
from anchor.store.database import Database
from anchor.store.erasures import find_by_leaves
from anchor.store.evidence import known_identities
from anchor.store.evidence_insertion import insert_rows, make_unique
from anchor.store.fingerprint_pages import ENTRY, About, decode_entries
from anchor.store.heads import (
    AnchoredHead,
    SealedHead,
    insert_head,
    load_anchors,
    load_heads,
    save_anchor,
)
from anchor.store.idempotency_keys import insert_keys, load_keys
from anchor.store.incidents import insert_incident_row, load_incident_rows
from anchor.store.kept_proofs import insert_proof_row, load_proof_rows
from anchor.store.people_transfer import insert_people, load_people
from anchor.store.row_transfer import (
    Skipped,
    SlotKey,
    insert_attempt_row,
    insert_slot,
    load_rows_after,
    load_sealing_times,
    load_slots,
)
from anchor.store.run_parts import join_small
from anchor.store.runs import find_run_end
from anchor.store.sorted_rows import search_rows, sort_rows
from anchor.store.staging import Writable
from anchor.store.tx_journal import AttemptRow, load_attempt_rows

# Pieces in one transaction, each with a record of about 1 KiB if it is not moved with its run.
_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FillResult:
    """Counts of what was written to a new store.

    ``unreadable`` counts evidence that was not in the log yet and whose record is in no store;
    ``lost`` is evidence that side files acknowledge and no other source holds.  ``beyond`` counts
    records from receipts of leaves after the log's end, which no side file acknowledges.
    """

    records: int
    hashes_only: int
    waiting: int
    unreadable: int
    lost: tuple[OwnedLeaf, ...]
    beyond: int


def fill_store(
    config: Config,
    node: Node,
    database: Writable,
    origin: LeafOrigin,
    edges: dict[int, RightEdge],
    anchored: list[AnchoredHead],
    remains: Remains,
    final: Hash32 | None,
    report: Callable[[Message], None],
) -> FillResult:
    """Write everything that remains of the log to a new store; return the counts.

    ``final`` is the hash of the final block by which open nonces are settled, or None. Damaged runs
    of the stores are not used, and reported.
    """
    rebuilt_at = utc_now()
    skipped = _report_once(report)
    loose: dict[Hash32, EvidenceRow] = {}
    for row in _load_loose(edges, remains, skipped):
        if row.leaf not in loose or loose[row.leaf].record is None:
            loose[row.leaf] = row
    sources = Sources(remains=remains, loose=loose, accepted_at=rebuilt_at, skipped=skipped)
    lost = _insert_log(database, origin, sources)
    kept = _insert_heads(database, origin, edges, anchored, remains, rebuilt_at)
    signed = _insert_journal(config, node, database, remains, kept, final)
    _insert_incidents(database, kept, remains.stores)
    _insert_proofs(config, database, kept, remains.stores)
    _insert_people(database, remains.stores)
    hints = _load_hints(config, remains.stores)
    with database.write() as connection:
        for anchor in anchored:
            key = (anchor.head, anchor.sequence, anchor.block_number)
            known = hints.get(key)
            anchor = replace(
                anchor,
                # A transaction that is in no journal is not named.
                tx_hash=known.tx_hash if known and known.tx_hash in signed else None,
                block_hash=known.block_hash if known and known.tx_hash in signed else None,
                final_at=known.final_at if known and anchor.final else None,
            )
            save_anchor(connection, config.chain_id, anchor)
    # Pieces after the newest head wait, so that nothing acknowledged is lost.
    beyond: set[Hash32] = set()
    for row in _find_beyond(remains, origin.size):
        if remains.owners.find(row.leaf) is None:
            beyond.add(row.leaf)
        else:
            loose.setdefault(row.leaf, restore_ownership(row, remains.owners))
    beyond -= loose.keys() | remains.erased.leaves
    unplaced = list(map(remains.erased.blank, loose.values()))
    # The tenant of a row that came from a receipt is unknown.
    remains.side_file.append(
        build_entry(row)
        for row in unplaced
        if row.is_stored and remains.owners.find(row.leaf) is None
    )
    waiting, unreadable = _insert_unplaced(database, unplaced)
    # Erased evidence is not lost, and its keys do not belong to a resubmission of it.
    remains.owners.forget(remains.erased.leaves)
    _insert_keys(database, remains, skipped)
    for store in remains.stores:
        with store.read() as source, database.write() as target:
            copy_certificates(source, target, remains.erased.leaves)
            copy_captures(source, target)
            transfer_copies(source, target)
    # Before the erasures known only from the log remove the identities that are compared here.
    missing = tuple(_find_lost(database, remains.owners))
    lost += reapply_erasures(database, remains.stores, remains.erased)
    unknown = restore_erased_keys(database, remains.stores, remains.erased, skipped)
    if unknown:
        report(Message("restore-erased-keys-unknown", count=unknown))
    restore_custody_keys(database)
    restore_notice_keys(database)
    return FillResult(
        records=origin.size - lost,
        hashes_only=lost,
        waiting=waiting,
        unreadable=unreadable,
        lost=missing,
        beyond=len(beyond),
    )


def _report_once(report: Callable[[Message], None]) -> Skipped:
    """Return a function that reports a damaged run once, however often it is read."""
    told: set[Message] = set()

    def skip(reason: Message) -> None:
        if reason not in told:
            told.add(reason)
            report(Message("restore-source-refused", reason=reason))

    return skip


def _load_loose(
    edges: dict[int, RightEdge], remains: Remains, skipped: Skipped
) -> Iterator[EvidenceRow]:
    """Yield the evidence that the stores hold beyond the heads that they share with the log.

    It waits in those stores, or has a place that may differ from the log's.
    """
    for store in remains.stores:
        with store.read() as connection:
            shared = [head.size for head in load_heads(connection) if is_of_log(head, edges)]
            for row in load_rows_after(connection, max(shared, default=0), skipped):
                yield restore_columns(row, remains.owners) or check_record(row)


def is_of_log(head: Head, edges: Mapping[int, RightEdge]) -> bool:
    """Return whether a head belongs to the log that has these right edges."""
    return head.size in edges and edges[head.size].root() == head.root


def _find_beyond(remains: Remains, size: int) -> Iterator[EvidenceRow]:
    """Yield the evidence whose receipt names an index beyond the recovered log."""
    for index, paths in remains.receipts.by_index.items():
        for path in paths if index >= size else ():
            row = row_of_receipt(path, None)
            if row is not None:
                yield row


def _insert_log(database: Writable, origin: LeafOrigin, sources: Sources) -> int:
    """Insert the evidence of the log's leaves; return how many have no record."""
    lost = start = 0
    while start < origin.size:
        end = _find_boundary(sources.remains.stores, start, origin.size)
        parts = list(find_parts(b"".join(origin.read(start, end)), start, sources))
        sources.remains.side_file.append(entry for part in parts for entry in part.entries)
        with database.write() as connection:
            runs = list(make_unique(connection, [part.run for part in parts]))
            insert_rows(connection, list(join_small(runs)))
        lost += sum(run.erased + run.lost for run in runs)
        start = end
    return lost


def _find_boundary(stores: Sequence[Database], start: int, size: int) -> int:
    """Return where a transaction ends that begins at ``start``: where the run of a store does."""
    end = start + _BATCH
    for store in stores:
        with store.read() as connection:
            after = find_run_end(connection, end - 1)
        if end < after <= start + _BATCH + MOST_PIECES:
            return min(after, size)
    return min(end, size)


def _find_lost(database: Writable, owners: LeafOwners) -> list[OwnedLeaf]:
    """Return the acknowledged evidence that none of the remaining sources holds, by tenant."""
    lost: dict[bytes, str] = {}
    for batch in owners.load_pieces():
        identities = sort_rows(b"".join(identity for identity, _ in batch), HASH)
        with database.write() as connection:
            entries = fingerprints.find_entries(connection, About.IDENTITY, identities)
        if len(search_rows(entries, ENTRY, identities, HASH, HASH)) == len(identities):
            continue
        known = {identity for identity, _ in decode_entries(entries)}
        for identity, number in batch:
            if identity not in known:
                lost[identity] = max(lost.get(identity, ""), owners.name_tenant(number))
    return sorted(
        (OwnedLeaf(*piece) for piece in lost.items()),
        key=lambda piece: (piece.tenant, piece.identity),
    )


def _insert_heads(
    database: Writable,
    origin: LeafOrigin,
    edges: dict[int, RightEdge],
    anchored: list[AnchoredHead],
    remains: Remains,
    rebuilt_at: str,
) -> set[Head]:
    """Insert all heads known to have been sealed, and the newest one; return them."""
    sealed: dict[Head, str] = {}
    for store in remains.stores:
        with store.read() as connection:
            sealed |= load_sealing_times(connection)
    sizes = {anchor.head.size for anchor in anchored} | {origin.size}
    kept = set()
    with database.write() as connection:
        for size, edge in sorted(edges.items()):
            head = Head(root=edge.root(), size=size)
            if size in sizes or head in sealed:
                insert_head(
                    connection, SealedHead(head=head, right_edge=edge), sealed.get(head, rebuilt_at)
                )
                kept.add(head)
    return kept


def _insert_proofs(
    config: Config, database: Writable, kept: set[Head], stores: Sequence[Database]
) -> None:
    """Copy the state proofs that other stores kept of the restored heads' anchors."""
    rows: dict[tuple[int, bytes], Mapping[str, Any]] = {}
    for store in stores:
        with store.read() as connection:
            sizes = {head.size for head in load_heads(connection) if head in kept}
            for row in load_proof_rows(connection, config.chain_id):
                if row["head_size"] in sizes:
                    rows.setdefault((row["head_size"], row["block_hash"]), row)
    with database.write() as connection:
        for row in rows.values():
            insert_proof_row(connection, row)


def _insert_people(database: Writable, stores: Sequence[Database]) -> None:
    """Copy the tenants and their people from the first store that has any."""
    for store in stores:
        with store.read() as connection:
            stored = load_people(connection)
        if not stored.is_empty:
            with database.write() as connection:
                insert_people(connection, stored)
            return


def _insert_journal(
    config: Config,
    node: Node,
    database: Writable,
    remains: Remains,
    kept: set[Head],
    final: Hash32 | None,
) -> set[Hash32]:
    """Copy the transactions in other stores' journals; settle open nonces by the chain's state.

    Returns the hashes of the copied transactions.
    """
    slots: dict[SlotKey, Mapping[str, Any]] = {}
    attempts: dict[Hash32, AttemptRow] = {}
    for store in remains.stores:
        with store.read() as connection:
            slots = load_slots(connection) | slots
            attempts = {row.tx_hash: row for row in load_attempt_rows(connection)} | attempts
    signed: dict[SlotKey, list[AttemptRow]] = {}
    for attempt in attempts.values():
        if attempt.head is None or attempt.head in kept:
            nonce: SlotKey = (attempt.chain_id, attempt.sender, attempt.nonce)
            signed.setdefault(nonce, []).append(attempt)
    # For the other nonces, no transaction was signed that could ever be included.
    slots = {key: slot for key, slot in slots.items() if key in signed}
    for key, slot in slots.items():
        if slot["outcome"] is None and final is not None:
            slots[key] = {**slot, **_settle(config, node, key, signed[key], final)}
    with database.write() as connection:
        for key, slot in slots.items():
            insert_slot(connection, slot)
            for attempt in signed[key]:
                insert_attempt_row(connection, attempt)
    return {attempt.tx_hash for key in slots for attempt in signed[key]}


def _settle(
    config: Config, node: Node, slot: SlotKey, mine: list[AttemptRow], final: Hash32
) -> Mapping[str, int | str]:
    """Return the outcome and cost of an open nonce; an empty mapping while it can still be used."""
    _, sender, nonce = slot
    if node.fetch_nonce(Address(sender), final) <= nonce:
        return {}
    for attempt in mine:
        receipt = node.fetch_receipt(attempt.tx_hash)
        if receipt is not None:
            outcome = "included" if receipt.succeeded else "reverted"
            return {"outcome": outcome, **_find_cost(node, receipt, attempt)}
        # Nodes may have pruned the receipt; the state remains.
        if attempt.head and RegistryReader(config.registry, config.log).anchor(
            node, attempt.head.root, final
        ):
            return {"outcome": "included"}
    return {"outcome": "foreign"}


def _find_cost(node: Node, receipt: TransactionReceipt, attempt: AttemptRow) -> Mapping[str, int]:
    block = node.fetch_block(receipt.block_number)
    if block is None or block.hash != receipt.block_hash:
        return {}
    return {
        "gas_used": receipt.gas_used,
        # A transaction never costs more than its fee cap, whatever the node reports.
        "gas_price": min(receipt.gas_price or attempt.max_fee, attempt.max_fee),
        "included_at": block.timestamp,
    }


def _insert_incidents(database: Writable, kept: set[Head], stores: Sequence[Database]) -> None:
    """Copy each incident of a head that is kept; the operator still has to close the open ones."""
    seen = set()
    for store in stores:
        with store.read() as connection:
            rows = load_incident_rows(connection)
        with database.write() as connection:
            for head, row in rows:
                key = (row["chain_id"], head, row["noticed_at"])
                if head in kept and key not in seen:
                    seen.add(key)
                    insert_incident_row(connection, row)


def _load_hints(
    config: Config, stores: Sequence[Database]
) -> dict[tuple[Head, int, int], AnchoredHead]:
    """Return the stores' anchors with their hints, keyed by head, sequence and block number."""
    hints: dict[tuple[Head, int, int], AnchoredHead] = {}
    for store in stores:
        with store.read() as connection:
            for known in load_anchors(connection, config.chain_id):
                key = (known.head, known.sequence, known.block_number)
                hints.setdefault(key, known)
    return hints


def _insert_unplaced(database: Writable, rows: Iterable[EvidenceRow]) -> tuple[int, int]:
    """Queue the rows that are not stored yet; return how many, and how many lack a record."""
    waiting = unreadable = 0
    for batch in in_batches(rows, _BATCH):
        with database.write() as connection:
            known = known_identities(connection, [row.identity for row in batch])
            # Erased evidence has no identity, and that of a damaged row may be false.
            bare = {row.leaf for row in batch if row.record is None}
            placed = {piece.leaf for piece in find_by_leaves(connection, bare)}
            new = []
            for row in batch:
                if row.identity in known or row.leaf in placed:
                    continue
                if row.record is None and row.source != ERASED:
                    unreadable += 1
                    continue
                # Evidence accepted again after an earlier restore is still one piece of evidence.
                known.add(row.identity)
                new.append(row)
            insert_rows(connection, new)
        waiting += len(new)
    return waiting, unreadable


def _insert_keys(database: Writable, remains: Remains, skipped: Skipped) -> None:
    """Copy the idempotency keys, so that a repeated submission is still recognised."""
    for keys in remains.owners.load_keys():
        with database.write() as target:
            insert_keys(target, keys)
    for store in remains.stores:
        with store.read() as connection:
            known_keys = load_keys(connection, remains.erased.leaves, skipped)
            for batch in in_batches(known_keys, _BATCH):
                with database.write() as target:
                    insert_keys(target, batch)
