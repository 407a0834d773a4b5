"""What `scripts/bench --scale` does with a log of some size: receipts, audit, backup, restore."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench_log import draw
from bench_measuring import drop_schema
from bench_scale_floors import time_peers
from bench_scale_session import (
    SAMPLE,
    Bench,
    make_digests,
    measure_database,
    measure_folder,
    report,
)
from sqlalchemy import Connection

from anchor.base.digests import Digests
from anchor.base.system.durable_files import write_chunks
from anchor.evidence.preservation_number import NUMBER_BYTES
from anchor.evidence.printed_number import NumberKind, PrintedNumber
from anchor.operate.proving import Prover
from anchor.project.files import CONFIG, TRUST_POLICY
from anchor.project.project import OpenProject
from anchor.receipt.bundle import encode_bundle
from anchor.recovery.backup import make_backup
from anchor.recovery.restore import restore_project
from anchor.recovery.restore_sources import RestoreOptions, gather_remains
from anchor.recovery.store_audit import audit_project
from anchor.store.database import lock_location
from anchor.store.evidence import StoredEvidence, find_by_digest
from anchor.store.heads import newest_head
from anchor.store.number_search import find_numbered
from anchor.store.runs import load_runs
from anchor.store.sealing import open_tree

LOOKUPS = 200


# Receipts


def measure_proofs(bench: Bench, size: int) -> None:
    """Write the receipts of the newest pieces, none of which an earlier anchor covers."""
    count = min(size - size // 10, SAMPLE)
    target = bench.folder / "receipts.anchor.jsonl"
    config = bench.project.config

    def write() -> None:
        prover = Prover(bench.project)
        with bench.project.database.read() as connection:
            receipts = map(prover.prove, load_from(connection, size - count, size))
            write_chunks(target, encode_bundle(receipts, log=config.log, count=count))

    _, spent, peak = bench.watch(write)
    stored = target.stat().st_size
    target.unlink()
    report("proof", "anchor", size, spent, count, stored, peak)
    spent = bench.floors.write(count, stored // count, count)
    report("proof", "file, fdatasync", size, spent, count, stored, kind="floor")
    with bench.project.database.read() as connection:
        newest = newest_head(connection)
    assert newest is not None
    tree = open_tree(bench.project.database, bench.project.tiles, newest.head)
    _, spent, _ = bench.watch(
        lambda: sum(1 for _ in tree.inclusion_paths(size - count, size, size))
    )
    report("proof", "anchor, path alone", size, spent, count)
    if size <= bench.options.peer_leaves:
        for name, spent in time_peers(size, "proofs"):
            report("proof", f"{name}, path alone", size, spent, size, kind="peer")
    digests = [make_digests(size - count + number, 1) for number in draw(LOOKUPS, count)]
    _, spent, _ = bench.watch(partial(prove_each, bench.project, digests))
    report("proof", "anchor, one by one", size, spent, LOOKUPS)
    _, spent, _ = bench.watch(partial(look_up_each, bench.project, digests))
    report("proof", "anchor, look-up by digest", size, spent, LOOKUPS)
    indices = draw(LOOKUPS, size)
    _, spent, _ = bench.watch(partial(load_each, bench.project, indices))
    report("proof", "anchor, look-up by id", size, spent, LOOKUPS)
    numbers = [
        hashlib.sha256(record).digest()[:NUMBER_BYTES] for record in load_records(bench, indices)
    ]
    _, spent, _ = bench.watch(partial(look_up_numbers, bench.project, numbers))
    report("proof", "anchor, look-up by number", size, spent, LOOKUPS)


def load_from(connection: Connection, start: int, end: int) -> Iterator[StoredEvidence]:
    """Yield the sealed pieces from ``start`` up to ``end``."""
    for run in load_runs(connection, start, end):
        records = run.all_records()
        for at in range(max(start - run.first, 0), min(end, run.end) - run.first):
            yield StoredEvidence(
                id=run.first + at, identity=run.identity(at), source=run.source(at),
                record=records[at], leaf=run.leaf(at), leaf_index=run.first + at,
            )  # fmt: skip


def prove_each(project: OpenProject, digests: Sequence[bytes]) -> None:
    """Make the receipt of each digest, as `anchor prove` does once it is started."""
    prover = Prover(project)
    for digest in digests:
        with project.database.read() as connection:
            (stored,) = find_by_digest(connection, Digests(sha256=digest, sm3=None, size=None))
        prover.prove(stored).encode()


def look_up_each(project: OpenProject, digests: Sequence[bytes]) -> None:
    for digest in digests:
        with project.database.read() as connection:
            (stored,) = find_by_digest(connection, Digests(sha256=digest, sm3=None, size=None))
            assert stored.record is not None


def load_records(bench: Bench, indices: Sequence[int]) -> Iterator[bytes]:
    """Yield the records of these pieces."""
    for index in indices:
        with bench.project.database.read() as connection:
            (stored,) = load_from(connection, index, index + 1)
        assert stored.record is not None
        yield stored.record


def look_up_numbers(project: OpenProject, numbers: Sequence[bytes]) -> None:
    for value in numbers:
        number = PrintedNumber(value=value, kinds=(NumberKind.NUMBER,))
        with project.database.read() as connection:
            (match,) = find_numbered(connection, project.config.chain_id, number)
            assert match.index is not None


def load_each(project: OpenProject, indices: Sequence[int]) -> None:
    for index in indices:
        with project.database.read() as connection:
            (stored,) = load_from(connection, index, index + 1)
            assert stored.id == index


# Audit, backup, restore


def measure_recovery(bench: Bench, size: int) -> None:
    with bench.project.database.pause_sequencing():
        audit, spent, peak = bench.watch(lambda: audit_project(bench.project))
    assert audit.leaves == size and not audit.breaches, audit.breaches
    config = bench.project.config
    read = (measure_database(bench) + measure_folder(config.tiles)) // size
    report("audit", "anchor", size, spent, size, read * size, peak)
    count = min(size, SAMPLE)
    bench.floors.write(count, read, count)
    report("audit", "sha256sum", size, bench.floors.sum_file(), count, read * count, kind="floor")
    if size > bench.options.restored:
        return
    backup = bench.folder / f"backup-{size}"
    made, spent, peak = bench.watch(lambda: make_backup(bench.project, backup, lambda _: None))
    stored = made.manifest.size
    report("restore", "anchor backup", size, spent, size, stored, peak)
    _, spent, peak = bench.watch(partial(restore, bench, size, backup))
    report("restore", "anchor", size, spent, size, stored, peak)
    bench.floors.write(count, stored // size, count)
    report("restore", "cp, fdatasync", size, bench.floors.copy_file(), count, stored, kind="floor")
    shutil.rmtree(backup)


def restore(bench: Bench, size: int, backup: Path) -> None:
    """Restore a backup into another store, as `anchor restore` does."""
    name = f"restored{size}"
    folder = bench.folder / name
    folder.mkdir()
    config = replace(
        bench.project.config,
        folder=folder,
        file=folder / CONFIG,
        store=bench.locate(name),
        tiles=folder / "tiles",
        log_key=folder / "log-key.pem",
        receipts=folder / "receipts",
        trust=folder / TRUST_POLICY,
    )
    with ExitStack() as stack:
        stack.enter_context(lock_location(config.store))
        wanted = RestoreOptions(backup=str(backup))
        remains = gather_remains(stack, config, bench.node, wanted, None, lambda _: None)
        restored = restore_project(config, bench.node, remains, lambda _: None)
    assert restored.filled.records == size, restored
    shutil.rmtree(folder)
    if bench.socket is not None:
        drop_schema(bench.socket, name)
