"""Runs of ``anchor add`` on a Dask cluster during which everything fails once, at random."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.cutting_proxy import CuttingProxy
from support.ports import free_port

FAULTS = ("scheduler", "worker", "client", "network")
_CUT_SECONDS = 3.0


@dataclass
class DaskCluster:
    """A scheduler and two workers of two threads, by their own command lines."""

    folder: Path
    env: Mapping[str, str]
    port: int = field(default_factory=free_port)
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self.end()

    def start(self) -> None:
        options = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        self.scheduler = self._start("scheduler", *options)
        self.workers = [self._start_worker() for _ in range(2)]

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None:
                process.kill()
                process.wait()

    def replace_worker(self) -> None:
        """Kill a worker, and start another one."""
        worker = self.workers.pop(0)
        worker.kill()
        worker.wait()
        self.workers.append(self._start_worker())

    def replace_scheduler(self) -> None:
        """Kill the scheduler; its workers go with it, and new ones come."""
        self.end()
        self.start()

    def _start_worker(self) -> subprocess.Popen[bytes]:
        options = ("--nthreads", "2", "--no-dashboard", "--no-nanny", "--death-timeout", "60")
        return self._start("worker", self.address, *options)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "cluster.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env},
                cwd=self.folder,
            )


def run_with_faults(
    command: Sequence[str],
    cluster: DaskCluster,
    proxy: CuttingProxy,
    *,
    folder: Path,
    count: int,
    seed: int,
    seconds: float,
) -> list[str]:
    """Run a command again and again until it ends well; everything fails once meanwhile.

    Each fault comes after a random number of requests. Returns how each run ended.
    """
    chance = random.Random(seed)
    faults = chance.sample(FAULTS, len(FAULTS))
    moments = sorted(chance.uniform(0.1, 0.8) * count for _ in faults)
    due = list(zip(moments, faults, strict=True))
    ends: list[str] = []
    log = (folder / "client.log").open("wb")
    give_up, mend = time.monotonic() + seconds, 0.0

    def start() -> subprocess.Popen[bytes]:
        env = {**os.environ, **cluster.env}
        return subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=folder)

    client = start()
    try:
        while True:
            assert time.monotonic() < give_up, (folder / "client.log").read_text("utf-8")[-2_000:]
            if mend and time.monotonic() > mend:
                proxy.mend()
                mend = 0.0
            code = client.poll()
            if code == 0:
                ends.append("done")
                assert not due, f"the run ended before {due}"
                return ends
            if code is not None:
                ends.append({20: "cannot go on", -9: "killed"}[code])
                client = start()
            if due and proxy.requests >= due[0][0]:
                _, fault = due.pop(0)
                ends.append(fault)
                if fault == "scheduler":
                    cluster.replace_scheduler()
                elif fault == "worker":
                    cluster.replace_worker()
                elif fault == "client":
                    client.kill()
                else:
                    proxy.cut()
                    mend = time.monotonic() + _CUT_SECONDS
            time.sleep(0.05)
    finally:
        client.kill()
        client.wait()
        log.close()
