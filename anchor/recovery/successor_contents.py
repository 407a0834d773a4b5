"""Contents that a successor inherits from its log: evidence, heads, people, receipts and policy.

Nothing is written to the old project except missing tiles, which any proof would make as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from anchor.base.errors import AnchorError, ChainGuardError
from anchor.base.messages.message import Message
from anchor.base.types import Head, log_number
from anchor.operate.proving import Prover
from anchor.operate.receipt_files import ReceiptFolder
from anchor.project.config import Config
from anchor.project.project import OpenProject, make_store, trust_entry
from anchor.recovery.custody_restoration import restore_custody_keys
from anchor.recovery.erasure_restoration import (
    load_known_erasures,
    reapply_erasures,
    restore_erased_keys,
)
from anchor.recovery.notice_restoration import restore_notice_keys
from anchor.store.acknowledged_log import SideFile, build_entry
from anchor.store.batches import in_batches
from anchor.store.columns import ERASED, Run
from anchor.store.copy_rows import transfer_copies
from anchor.store.erasures import find_by_leaves
from anchor.store.evidence import known_identities, load_all
from anchor.store.evidence_insertion import insert_rows
from anchor.store.heads import SealedHead, insert_head, load_sealed_heads
from anchor.store.people_transfer import insert_people, load_people
from anchor.store.row_transfer import build_entries, load_placed_runs, load_rows_after
from anchor.store.run_parts import join_small
from anchor.store.runs import lock_intake
from anchor.store.staging import Writable
from anchor.verification.pinning import encode_policy
from anchor.verification.policy import parse_policy

# Rows in one transaction, each with a record of about 1 KiB; and runs, of up to 1,024 pieces.
_BATCH = 10_000
_RUNS = 10


def build_store(project: OpenProject, config: Config, sealed: SealedHead) -> None:
    """Copy all evidence: up to the head with its place in the log, the rest queued in order."""
    config.folder.mkdir(parents=True, exist_ok=True)
    side_file = SideFile(config.side_file)
    make_store(config, lambda database: _copy(project, database, sealed.head, side_file))


def _copy(project: OpenProject, database: Writable, head: Head, side_file: SideFile) -> None:
    with project.database.read() as source:
        runs = _check_complete(load_placed_runs(source, 0, head.size), head)
        for batch in in_batches(join_small(runs), _RUNS):
            with database.write() as connection:
                insert_rows(connection, batch)
                # Before the commit, so that every committed row has an entry in the side file.
                side_file.append(
                    entry for run in batch for entry in build_entries(run, range(run.pieces))
                )
    with project.database.read() as source, database.write() as connection:
        for sealed, sealed_at in load_sealed_heads(source, head.size):
            insert_head(connection, sealed, sealed_at)
        insert_people(connection, load_people(source))
    enqueue_unplaced(project, database, head, side_file)
    with project.database.read() as source, database.write() as connection:
        transfer_copies(source, connection)


def _check_complete(runs: Iterable[Run], head: Head) -> Iterator[Run]:
    """Yield the runs up to a head, which have every piece."""
    end = 0
    for run in runs:
        if run.first != end:
            break
        yield run
        end = run.end
    if end != head.size:
        raise ChainGuardError(
            Message("succession-leaves-missing", size=head.size),
            hint=Message("succession-leaves-missing-hint"),
        )


def enqueue_unplaced(
    project: OpenProject, database: Writable, head: Head, side_file: SideFile
) -> int:
    """Queue all evidence not in the log up to ``head``; return the length of the queue.

    Evidence that an earlier call has queued is not queued again.
    """
    count = 0
    with project.database.read() as source:
        for batch in in_batches(load_rows_after(source, head.size), _BATCH):
            with database.write() as connection:
                lock_intake(connection)
                stored = known_identities(connection, [row.identity for row in batch])
                # Erased evidence has no identity by which it is found.
                erased = {row.leaf for row in batch if row.source == ERASED}
                queued = {piece.leaf for piece in find_by_leaves(connection, erased)}
                new = [
                    row for row in batch if row.identity not in stored and row.leaf not in queued
                ]
                insert_rows(connection, new)
                side_file.append(map(build_entry, new))
            count += len(batch)
    stores = [project.database]
    known = load_known_erasures(stores, [project.config.erasures])
    reapply_erasures(database, stores, known)
    restore_erased_keys(database, stores, known, None)
    restore_custody_keys(database)
    restore_notice_keys(database)
    return count


def write_receipts(project: OpenProject, config: Config, head: Head) -> int:
    """Write the receipts of the old log's anchors up to ``head``, which predate the new log's."""
    folder = ReceiptFolder(config.receipts / f"log-{log_number(project.config.log)}")
    prover = Prover(project)
    count = 0
    with project.database.read() as connection:
        for evidence in load_all(connection):
            if evidence.record is None or evidence.leaf_index is None:
                continue
            if evidence.leaf_index >= head.size:
                continue
            receipt = prover.prove(evidence)
            if not receipt.anchors:
                continue
            folder.save(receipt, durable=False)
            count += 1
    return count


def encode_successor_policy(old: Config, new: Config) -> bytes:
    """Return a trust policy that accepts the logs of the old policy and the new log."""
    entry = trust_entry(new)
    numbers = {log_number(old.log)}
    try:
        for known in parse_policy(old.trust.read_bytes()).entries:
            if (known.registry, known.chain_id, known.owner) == (
                entry.registry,
                entry.chain_id,
                entry.owner,
            ):
                numbers |= set(known.logs)
    except (OSError, AnchorError):
        pass  # the old policy is lost, or was not made here: accept only these two logs
    return encode_policy([replace(entry, logs=(*sorted(numbers), log_number(new.log)))])
