"""Compare the store with raw drivers: intake, single commits, sealing, anchoring.

Part of `scripts/bench`, which sets up its environment; the figures are kept in docs/performance.md.
"""

from __future__ import annotations

import argparse
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from bench_measuring import make_schema, peak_memory, run_postgres, section, show

from anchor.base.digests import Digests
from anchor.base.system.clock import SystemClock
from anchor.chain.devnet import find_anvil, open_devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.cli.context import open_signer
from anchor.operate.acceptance import EvidenceInput, accept, accept_once
from anchor.operate.deployment import deploy
from anchor.operate.single_run import anchor_round
from anchor.project.config import Config
from anchor.project.creation import plan_dev_project, write_dev_key
from anchor.project.project import OpenProject, create_project
from anchor.store.acknowledged_log import SideFile
from anchor.store.database import create_database, create_filled
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.sealing import seal, write_tiles
from anchor.store.tile_folder import TileFolder

ROOT = Path(__file__).resolve().parents[2]
BATCH = 100_000

# The members of a configuration that intake uses; no chain was seen, so no clock is checked.
CONFIG = SimpleNamespace(log=bytes(32), chain_id=1, file=Path("none/anchor.toml"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10**6, help="that are there before")
    parser.add_argument("--largest", type=int, default=10**7, help="of the curve")
    parser.add_argument("--folder", type=Path, help="where the stores go, and are removed")
    parser.add_argument("--part", choices=PARTS, help="only this part")
    options = parser.parse_args()
    if options.part:
        PARTS[options.part](options)
        return 0
    for part in PARTS:
        # In a separate process, so that its memory is that of this part alone.
        subprocess.run([sys.executable, __file__, "--part", part, *sys.argv[1:]], check=True)
    return 0


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


# Stores


@dataclass(frozen=True)
class Kind:
    """A kind of store, and how a raw driver writes the same rows into a separate table."""

    name: str
    place: StoreLocation
    insert_raw: Callable[[Sequence[tuple[bytes, bytes, bytes]]], None]
    close: Callable[[], object]


@contextmanager
def open_kinds(parent: Path | None) -> Iterator[list[Kind]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent)))
        kinds = [make_sqlite(folder)]
        postgres = stack.enter_context(run_postgres(folder))
        if postgres is not None:
            kinds.append(make_postgres(postgres))
        for kind in kinds:
            stack.callback(kind.close)
        yield kinds


TABLE = "CREATE TABLE raw (id {id}, digest {blob} NOT NULL UNIQUE, record {blob}, leaf {blob})"


def make_sqlite(folder: Path) -> Kind:
    raw = sqlite3.connect(folder / "raw.db", isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute(TABLE.format(id="INTEGER PRIMARY KEY", blob="BLOB"))

    def insert(rows: Sequence[tuple[bytes, bytes, bytes]]) -> None:
        raw.execute("BEGIN IMMEDIATE")
        raw.executemany(
            "INSERT INTO raw (digest, record, leaf) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows
        )
        raw.execute("COMMIT")

    return Kind("SQLite", SqliteFile(folder / "anchor.db"), insert, raw.close)


def make_postgres(socket: Path) -> Kind:
    import psycopg

    place = make_schema(socket, "store")
    raw = psycopg.connect(f"host={socket} user=postgres dbname=postgres")
    raw.execute(TABLE.format(id="bigserial PRIMARY KEY", blob="bytea").encode())
    raw.execute("CREATE TEMP TABLE staged AS SELECT digest, record, leaf FROM raw WITH NO DATA")
    raw.commit()

    def insert(rows: Sequence[tuple[bytes, bytes, bytes]]) -> None:
        with raw.cursor() as cursor:
            cursor.execute("TRUNCATE staged")
            with cursor.copy("COPY staged FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                "INSERT INTO raw (digest, record, leaf) SELECT * FROM staged ON CONFLICT DO NOTHING"
            )
        raw.commit()

    return Kind("PostgreSQL", place, insert, raw.close)


@contextmanager
def open_store(place: StoreLocation) -> Iterator[OpenProject]:
    database = create_database(place)
    with closing(database), database.hold_lease():
        # Intake and sealing use no other part of a project.
        yield OpenProject(config=cast(Config, CONFIG), database=database)


def make_submissions(count: int, first: int) -> list[EvidenceInput]:
    """Return made-up bare digests, such as the lines of a checksum file."""
    return [
        EvidenceInput(
            source=f"digest:evidence-{number:09}.pdf",
            name=f"evidence-{number:09}.pdf",
            digests=Digests(sha256=secrets.token_bytes(32), sm3=None, size=None),
        )
        for number in range(first, first + count)
    ]


def make_raw(count: int) -> list[tuple[bytes, bytes, bytes]]:
    """Return made-up rows of the same size."""
    record = bytes(230)
    return [(secrets.token_bytes(32), record, secrets.token_bytes(32)) for _ in range(count)]


# Parts


def bench_intake(options: argparse.Namespace) -> None:
    with open_kinds(options.folder) as kinds:
        for kind in kinds:
            with open_store(kind.place) as project:
                time_intake(kind, project, options.rows)


def time_intake(kind: Kind, project: OpenProject, rows: int) -> None:
    section(f"{kind.name}: bare digests taken in, {BATCH:,} at a time, onto {rows:,} rows")
    for first in range(0, rows, BATCH):
        accept(project, make_submissions(BATCH, first))
        kind.insert_raw(make_raw(BATCH))
    ours, raw = [], []
    for round_number in range(3):
        submissions = make_submissions(BATCH, rows + round_number * BATCH)
        ours.append(timed(lambda submissions=submissions: accept(project, submissions)))
        made = make_raw(BATCH)
        raw.append(timed(lambda made=made: kind.insert_raw(made)))
    again = timed(lambda: accept(project, submissions))
    show("new, records and all", f"{BATCH / min(ours):,.0f}/s")
    show("the same rows by the raw driver, one unique index", f"{BATCH / min(raw):,.0f}/s")
    show("duplicates found", f"{BATCH / again:,.0f}/s")
    singles = make_submissions(2_000, 10**9)
    ours_single = timed(lambda: [accept_once(project, single) for single in singles])
    raw_single = timed(lambda: [kind.insert_raw([row]) for row in make_raw(2_000)])
    show("one by one, each a commit synced to disk", f"{2_000 / ours_single:,.0f}/s")
    show("one by one by the raw driver", f"{2_000 / raw_single:,.0f}/s")


def bench_side_file(options: argparse.Namespace) -> None:
    """Measure intake with and without the side file, alternately, so that other load slows both."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        postgres = stack.enter_context(run_postgres(folder))
        for kind in ("SQLite", "PostgreSQL"):
            if kind == "PostgreSQL" and postgres is None:
                continue
            projects: list[OpenProject] = []
            for name in ("without", "noted"):
                place: StoreLocation = SqliteFile(folder / f"{name}.db")
                if kind == "PostgreSQL" and postgres is not None:
                    place = make_schema(postgres, name)
                side_file = SideFile(folder / kind) if name == "noted" else None
                database, _ = create_filled(place, lambda _: None, side_file)
                stack.callback(database.close)
                projects.append(OpenProject(config=cast(Config, CONFIG), database=database))
            time_side_file(kind, projects)


def time_side_file(kind: str, projects: Sequence[OpenProject]) -> None:
    section(f"{kind}: taken in without the side file, and with it")
    bulk: list[list[float]] = [[], []]
    single: list[list[float]] = [[], []]
    for turn in range(8):
        for place, project in enumerate(projects):
            many = make_submissions(BATCH // 2, turn * BATCH)
            bulk[place].append(timed(lambda p=project, made=many: accept(p, made)))
            for one in make_submissions(150, 10**9 + turn * BATCH):
                single[place].append(timed(lambda p=project, one=one: accept_once(p, one)))
    for what, figures, count in (
        ("50,000 at a time", bulk, BATCH // 2),
        ("one by one, each a commit synced to disk", single, 1),
    ):
        rates = [f"{count / statistics.median(each):,.0f}/s" for each in figures]
        show(what, " | ".join(rates))


def bench_anchoring(options: argparse.Namespace) -> None:
    """Measure sealing a million leaves and anchoring them in one head, on anvil."""
    anvil = find_anvil(ROOT)
    if anvil is None:
        print("there is no anvil: run `npm ci` for this part")
        return
    count = options.rows
    section(f"{count:,} leaves sealed, made into tiles and anchored in one head")
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as name,
        open_devnet(anvil=anvil) as devnet,
    ):
        rpc = Rpc(devnet.url)
        node = Node(rpc)
        config = plan_dev_project(Path(name), node, url=devnet.url, number=0)
        project = create_project(config)
        write_dev_key(config)
        with closing(rpc), closing(project.database), project.database.hold_lease():
            clock = SystemClock()
            deploy(project, node, lambda: open_signer(config), clock, lambda _: None)
            for first in range(0, count, BATCH):
                accept(project, make_submissions(min(BATCH, count - first), first))
            before = peak_memory()

            def run() -> None:
                anchor_round(
                    project,
                    node,
                    lambda: open_signer(config),
                    clock,
                    wait_for="included",
                    report=lambda _: None,
                )

            seconds = timed(run)
    show("sealed and included", f"{seconds:,.1f} s")
    show("most memory at any time (while taking in)", f"{peak_memory():,} ({before:,}) MiB")


def bench_curve(options: argparse.Namespace) -> None:
    section("The whole cost of one piece of evidence: taken in, sealed, in tiles; SQLite")
    count = 10**4
    while count <= options.largest:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            tiles = TileFolder(Path(name, "tiles"))
            with open_store(SqliteFile(Path(name, "anchor.db"))) as project:
                taken = making = 0.0
                begun = time.process_time()
                for first in range(0, count, BATCH):
                    before = time.process_time()
                    submissions = make_submissions(min(BATCH, count - first), first)
                    making += time.process_time() - before
                    taken += timed(lambda made=submissions: accept(project, made))
                sealed = timed(lambda: seal(project.database, ""))
                tiled = timed(lambda tiles=tiles: write_tiles(project.database, tiles))
                busy = time.process_time() - begun - making
        each = [seconds / count * 1e6 for seconds in (taken, sealed, tiled)]
        parts = " + ".join(f"{micro:.1f}" for micro in each)
        show(f"{count:,}", f"{sum(each):.1f} us = {parts}; {busy / count * 1e6:.1f} of processor")
        count *= 10


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "intake": bench_intake,
    "side-file": bench_side_file,
    "anchoring": bench_anchoring,
    "curve": bench_curve,
}

if __name__ == "__main__":
    raise SystemExit(main())
