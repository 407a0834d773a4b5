"""Compare `anchor add` of files with the tools that only hash: many small files, and a large one.

Part of `scripts/bench`, which sets up its environment; the figures are kept in docs/performance.md.
Each figure is the best of several rounds, in which every tool takes its turn, with the files in the
page cache.  `anchor add` is timed without the start of Python: finding, hashing, recording, and the
commits synced to disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from anchor.base.digests import SHA256, SM3
from anchor.base.system.garbage_collection import collect_rarely
from anchor.evidence.discovery import find_sources
from anchor.evidence.hashing_pool import open_executor
from anchor.operate.file_intake import gather
from anchor.operate.receipt_files import skip_receipts
from anchor.project.config import Config
from anchor.project.project import OpenProject
from anchor.store.acknowledged_log import SideFile
from anchor.store.database import create_filled
from anchor.store.location import SqliteFile

_FILES_A_FOLDER = 1_000
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Tool:
    """A tool under measurement; ``run`` returns its seconds of wall clock and of processor."""

    name: str
    run: Callable[[], tuple[float, float]]
    # The name of the tool whose time this one is a multiple of.
    peer: str | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=200_000, help="of small files; 0 for none")
    parser.add_argument("--size", type=int, default=4_096, help="of each small file, in bytes")
    parser.add_argument(
        "--large", type=int, default=4_096, help="MiB of the large file; 0 for none"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where files and stores go, and are removed")
    parser.add_argument("--store", type=Path, help="where the stores go instead")
    parser.add_argument("--add", nargs=3, metavar=("DIGESTS", "STORE", "PATH"), help="for itself")
    options = parser.parse_args()
    if options.add:
        digests, store, path = options.add
        print(json.dumps(add_in_this_process(digests.split(","), Path(store), Path(path))))
        return 0
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as files,
        tempfile.TemporaryDirectory(dir=options.store or options.folder) as stores,
    ):
        if options.count:
            bench_small(Path(files), Path(stores), options)
        if options.large:
            bench_large(Path(files), Path(stores), options)
    return 0


# Files


def write_small(folder: Path, count: int, size: int) -> None:
    for number in range(count):
        if number % _FILES_A_FOLDER == 0:
            below = folder / f"{number // _FILES_A_FOLDER:04}"
            below.mkdir(parents=True)
        (below / f"evidence-{number:07}.pdf").write_bytes(os.urandom(size))


def write_large(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(_MIB))


# Tools


def add_in_this_process(digests: Sequence[str], store: Path, path: Path) -> Mapping[str, Any]:
    """Do what `anchor add PATH` does, in a new store; return seconds, memory and the new rows."""
    place = SqliteFile(store / "anchor.db")
    database, _ = create_filled(place, lambda _: None, SideFile(store / "acknowledged.log"))
    # The members of a configuration that intake uses; no chain was seen, so no clock is checked.
    config = SimpleNamespace(
        log=bytes(32), chain_id=1, file=store / "anchor.toml", digests=tuple(digests), store=place
    )
    project = OpenProject(config=cast(Config, config), database=database)
    with closing(database), open_executor() as executor, collect_rarely():
        started, busy = time.perf_counter(), time.process_time()
        sources = skip_receipts(find_sources([path], follow_symlinks=False), config.log)
        result = gather(project, sources, executor=executor)
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"seconds": seconds, "busy": busy, "peak": peak, "new": result.new}


class Add:
    """`anchor add` in a process of its own, with a new store each time."""

    def __init__(self, digests: Sequence[str], stores: Path, path: Path, expected: int) -> None:
        self._digests = digests
        self._stores = stores
        self._path = path
        self._expected = expected
        self.peak = 0

    def __call__(self) -> tuple[float, float]:
        with tempfile.TemporaryDirectory(dir=self._stores) as store:
            command = [sys.executable, __file__, "--add", ",".join(self._digests), store]
            printed = subprocess.run([*command, self._path], check=True, capture_output=True).stdout
        result = json.loads(printed)
        assert result["new"] == self._expected, result
        self.peak = max(self.peak, result["peak"])
        return result["seconds"], result["busy"]


def run_tool(command: Sequence[str], listing: bytes | None = None) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(command, check=True, input=listing, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, busy


def measure(tools: Sequence[Tool], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the best seconds of wall clock and of processor of each tool."""
    taken: dict[str, list[tuple[float, float]]] = {tool.name: [] for tool in tools}
    for _ in range(rounds):
        for tool in tools:
            taken[tool.name].append(tool.run())
    return {
        name: (min(wall for wall, _ in each), min(busy for _, busy in each))
        for name, each in taken.items()
    }


def show(tools: Sequence[Tool], rounds: int, per: int, unit: str, scale: float) -> None:
    best = measure(tools, rounds)
    for tool in tools:
        wall, busy = best[tool.name]
        figure = (
            f"{wall:8.3f} s {wall / per * scale:8.1f} {unit}, processor {busy / per * scale:.1f}"
        )
        ratio = f"{wall / best[tool.peer][0]:6.2f} x {tool.peer}" if tool.peer else ""
        print(f"  {tool.name:<28}{figure:<50}{ratio}", flush=True)


# Parts


def bench_small(files: Path, stores: Path, options: argparse.Namespace) -> None:
    print(f"\n{options.count:,} files of {options.size:,} bytes", flush=True)
    folder = files / "small"
    write_small(folder, options.count, options.size)
    paths = sorted(os.fsencode(path) for path in folder.glob("*/*"))
    listing = b"\0".join(paths) + b"\0"

    def each(*command: str) -> Callable[[], tuple[float, float]]:
        return lambda: run_tool(["xargs", "-0", *command], listing)

    both = Add((SHA256, SM3), stores, folder, options.count)
    one = Add((SHA256,), stores, folder, options.count)
    tools = [
        Tool("cat (reading alone)", each("cat")),
        Tool("sha256sum", each("sha256sum")),
        Tool("openssl dgst -sm3", each("openssl", "dgst", "-sm3"), "sha256sum"),
        Tool("anchor add, SHA-256", one, "sha256sum"),
        Tool("anchor add, SHA-256 and SM3", both, "sha256sum"),
    ]
    if shutil.which("hashdeep"):
        hashdeep = ["hashdeep", "-c", "sha256", "-r", str(folder)]
        tools.insert(2, Tool("hashdeep -c sha256 -r", lambda: run_tool(hashdeep), "sha256sum"))
    show(tools, options.rounds, options.count, "us a file", 1e6)
    print(f"  most memory at any time: {max(one.peak, both.peak):,} MiB", flush=True)
    shutil.rmtree(folder)


def bench_large(files: Path, stores: Path, options: argparse.Namespace) -> None:
    print(f"\nOne file of {options.large:,} MiB", flush=True)
    path = files / "large"
    write_large(path, options.large)
    both, one = Add((SHA256, SM3), stores, path, 1), Add((SHA256,), stores, path, 1)
    tools = [
        Tool("cat (reading alone)", lambda: run_tool(["cat", str(path)])),
        Tool("sha256sum", lambda: run_tool(["sha256sum", str(path)])),
        Tool("openssl dgst -sm3", lambda: run_tool(["openssl", "dgst", "-sm3", str(path)])),
        Tool("anchor add, SHA-256", one, "sha256sum"),
        Tool("anchor add, SHA-256 and SM3", both, "openssl dgst -sm3"),
    ]
    show(tools, options.rounds, options.large, "ms a MiB", 1e3)
    print(f"  most memory at any time: {max(one.peak, both.peak):,} MiB", flush=True)
    path.unlink()


if __name__ == "__main__":
    raise SystemExit(main())
