"""Daemon and service under faults, with no hand but their units': submit, disturb, check."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from support.nodes import ask
from support.ports import free_port
from support.projects import Site
from support.service import bearer, digest, make_key
from support.store_contents import load_pieces
from support.supervising import Supervised

from anchor.recovery.store_audit import audit_project
from anchor.store.evidence import count_evidence

WRITERS = 2
# Seconds for a request; what is not answered is asked again.
_PATIENCE = 30.0


@dataclass
class Writers:
    """Submit evidence over HTTP, each piece until it is acknowledged."""

    url: str
    key: str
    acknowledged: dict[int, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Writers:
        for number in range(WRITERS):
            thread = threading.Thread(target=self._write, args=(number,))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        with httpx.Client(base_url=self.url, timeout=_PATIENCE, trust_env=False) as client:
            while not self._stopping.is_set():
                if self._submit(client, number):
                    number += WRITERS
                self._stopping.wait(0.05)

    def _submit(self, client: httpx.Client, number: int) -> bool:
        body = {"sha256": digest(number), "name": f"piece {number}"}
        try:
            answer = client.post("/v1/evidence", json=body, headers=bearer(self.key))
        except httpx.TransportError:
            self.statuses[0] += 1
            return False
        self.statuses[answer.status_code] += 1
        if not answer.is_success:
            return False
        self.acknowledged[number] = answer.json()["id"]
        return True


@dataclass
class Operation:
    """A project with both of its units running, and writers."""

    site: Site
    run: Supervised
    serve: Supervised
    writers: Writers

    def is_ready(self) -> bool:
        """Ask the service."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.writers.url}/readyz", timeout=10, trust_env=False).is_success
        return False

    def wait_until_ready(self, seconds: float = 120.0) -> None:
        """Wait until evidence can be taken in."""
        end = time.monotonic() + seconds
        while not self.is_ready():
            assert time.monotonic() < end, self.tell()
            time.sleep(0.2)

    def tell(self) -> str:
        """Return how all of it went, for a failure's text."""
        logs = "\n".join(unit.log.read_text("utf-8")[-3_000:] for unit in (self.run, self.serve))
        return f"{dict(self.writers.statuses)} {self.run.ends} {self.serve.ends}\n{logs}"


def operate(
    site: Site, folder: Path, work: Callable[[Operation], None], *, scale: float = 0.2
) -> Operation:
    """Run both units and the writers around ``work``, let all settle, and check what came of it.

    ``scale`` shortens the units' pauses, so that rounds are not spent in them.
    """
    key = make_key(site.folder)
    port = free_port()
    config = site.folder / "anchor.toml"
    with (
        Supervised(
            "anchor-run.service", config, folder / "run.log", extra=("--every", "1"), scale=scale
        ) as run,
        Supervised(
            "anchor-serve.service",
            config,
            folder / "serve.log",
            extra=("--port", str(port), "--quiet", "--drain", "2"),
            scale=scale,
        ) as serve,
    ):
        operation = Operation(site, run, serve, Writers(f"http://127.0.0.1:{port}", key))
        operation.wait_until_ready()
        with operation.writers:
            work(operation)
            operation.wait_until_ready()
        _settle(operation)
    check(operation)
    return operation


def _settle(operation: Operation, seconds: float = 180.0) -> None:
    """Wait, and do nothing else, until nothing waits for a seal and the newest head is anchored."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with operation.site.open() as project, project.database.read() as connection:
            waiting = count_evidence(connection)[1]
        heads = operation.site.heads()
        if not waiting and heads and operation.site.head_on_chain() == heads[-1][1]:
            return
        time.sleep(0.5)
    raise AssertionError(f"not settled by itself: {operation.tell()}")


def check(operation: Operation) -> None:
    """Compare store and chain with what was acknowledged: nothing lost, twice, or by hand."""
    writers = operation.writers
    assert not operation.run.gave_up, operation.tell()
    assert not operation.serve.gave_up, operation.tell()
    refused = {status for status in writers.statuses if status not in (0, 200, 201, 503)}
    assert not refused, operation.tell()
    with operation.site.open() as project:
        assert audit_project(project).breaches == ()
    pieces = [piece for piece in load_pieces(operation.site) if piece.leaf_index is not None]
    found = Counter(piece.identity.hex() for piece in pieces)
    lost = set(writers.acknowledged.values()) - set(found)
    assert not lost, f"{len(lost)} acknowledged and lost"
    assert max(found.values()) == 1, "a piece is there twice"
    assert {piece.leaf_index for piece in pieces} == set(range(len(pieces)))
    # One at most of each writer was stored without its answer having come through.
    assert len(found) - len(set(writers.acknowledged.values())) <= WRITERS
    anchors = operation.site.anchors_on_chain()
    assert [sequence for _, sequence in anchors] == list(range(1, len(anchors) + 1))


@dataclass
class Kills:
    """Kills a process at a random moment, again and again."""

    rounds: int
    chance: random.Random
    kill_server: Callable[[], None] | None = None
    done: Counter[str] = field(default_factory=Counter)

    def __call__(self, operation: Operation) -> None:
        targets = ["daemon", "daemon", "worker", "worker", "supervisor"]
        if self.kill_server is not None:
            targets.append("server")
        while self.done.total() < self.rounds:
            time.sleep(self.chance.uniform(0.05, 1.5))
            ask(operation.site.url, "anvil_mine", hex(self.chance.randrange(1, 3)))
            target = self.chance.choice(targets)
            if self._kill(operation, target):
                self.done[target] += 1

    def _kill(self, operation: Operation, target: str) -> bool:
        if target == "server":
            assert self.kill_server is not None
            self.kill_server()
            return True
        # One in four while it starts, the others while it works.
        is_working = operation.run.has_started if target == "daemon" else operation.is_ready
        if self.chance.random() < 0.75 and not is_working():
            return False
        if target == "daemon":
            return operation.run.kill()
        if target == "supervisor":
            return operation.serve.kill()
        workers = operation.serve.workers()
        if not workers:
            return False
        try:
            os.kill(self.chance.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True
