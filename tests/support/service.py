"""``anchor serve`` as its users run it, and a client to ask it."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from support.command import Running, start_anchor

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Served:
    """A running service, its address and a client for it."""

    url: str
    http: httpx.Client
    running: Running

    def stop(self) -> int:
        """Do what systemd does, and return the exit code."""
        self.running.process.send_signal(signal.SIGTERM)
        return self.running.process.wait(60)


@contextmanager
def serve(folder: Path, *options: str, workers: int = 1) -> Iterator[Served]:
    """Run ``anchor serve`` for the project in ``folder``."""
    log = folder / f"serve-{next(_numbers)}"
    command = ("serve", "--port", "0", "--workers", str(workers), *options)
    with start_anchor(*command, cwd=folder, log=log) as running:
        line = running.printed(" at http://")
        url = line.partition(" at ")[2].split()[0]
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield Served(url, client, running)
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
                assert running.process.wait(60) == 0
