"""One run of `scripts/bench --scale`: a project on a devnet, and where its figures go."""

from __future__ import annotations

import argparse
import json
import sys
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from bench_measuring import Spent, Stopwatch, forget_peak, make_schema, peak_memory
from bench_scale_figures import Figure
from bench_scale_floors import Floors
from sqlalchemy import text

from anchor.chain.node import Node
from anchor.log.batch_sha256 import hash_rows
from anchor.project.project import OpenProject
from anchor.store.location import SqliteFile, StoreLocation

# The most pieces whose receipts are written, and that a floor writes.
SAMPLE = 10**6

T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """A project, its devnet's node, and where its figures go."""

    options: argparse.Namespace
    folder: Path
    project: OpenProject
    node: Node
    socket: Path | None

    @property
    def floors(self) -> Floors:
        """The floors beside which its figures stand."""
        return Floors(self.folder, self.socket)

    def watch(self, action: Callable[[], T]) -> tuple[T, Spent, int]:
        """Run ``action``; return its result, what it took, and its peak memory in MiB."""
        forget_peak()
        watch = Stopwatch(self.socket)
        result = action()
        return result, watch.spent(), peak_memory()

    def locate(self, name: str) -> StoreLocation:
        """Return the place of another store in the same database."""
        if self.socket is not None:
            return make_schema(self.socket, name)
        return SqliteFile(self.folder / name / "anchor.db")


def report(
    measure: str, program: str, size: int, spent: Spent, count: int,
    stored: int = 0, peak: int = 0, kind: str = "ours",
) -> None:  # fmt: skip
    """Print a figure as JSON for the parent process; times and bytes become those of a piece."""
    figure = Figure(
        measure=measure, program=program, kind=kind, size=size, count=count,
        cpu=spent.cpu / count * 1e6, wall=spent.wall / count * 1e6, bytes=stored / count, peak=peak,
    )  # fmt: skip
    print(json.dumps(asdict(figure)), flush=True)


def make_digests(first: int, count: int) -> bytes:
    """Return the digests of the pieces with these numbers: SHA-256 of 0x00 and the number."""
    numbers = array("Q", range(first, first + count))
    if sys.byteorder == "little":
        numbers.byteswap()
    return hash_rows(0, numbers.tobytes(), 8)


def measure_folder(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def measure_database(bench: Bench) -> int:
    """Return the size of the database: its pages, whether in the file or in the journal still."""
    with bench.project.database.read() as connection:
        if bench.socket is None:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            return int(pages) * int(connection.execute(text("PRAGMA page_size")).scalar_one())
        query = (
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        return int(connection.execute(text(query)).scalar_one())
