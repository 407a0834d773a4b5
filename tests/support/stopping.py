"""Telling ``anchor`` processes to stop at instants of a test's choice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from support.command import environment

# Without the warnings that tests make errors: an import that is cut short leaves its file open.
_ANCHOR = (sys.executable, "-m", "anchor")
# Loaded by Typer: the program is at work long before its command begins.
_AT_WORK = "pydantic_core"
_POLL = 0.002


def start(folder: Path, words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start ``anchor`` in ``folder``; both its streams go to ``log``."""
    with log.open("wb") as out:
        return subprocess.Popen(
            [*_ANCHOR, *words], cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
            stdout=out, stderr=out,
        )  # fmt: skip


def wait_for_code(process: subprocess.Popen[bytes]) -> None:
    """Wait until the program's own code runs: before that the interpreter ends as it will."""
    end = time.monotonic() + 60
    while not (handles_sigterm(process.pid) or _is_at_work(process.pid)):
        assert process.poll() is None, process.returncode
        assert time.monotonic() < end
        time.sleep(_POLL)


def handles_sigterm(pid: int) -> bool:
    """Return whether the process has a handler for SIGTERM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def workers_of(pid: int) -> list[int]:
    """Return the workers that a service's supervisor has at present.

    They are forked from it, or spawned.  What it starts besides has another command line.
    """
    workers = []
    with suppress(FileNotFoundError, ProcessLookupError):
        own = Path(f"/proc/{pid}/cmdline").read_bytes()
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                line = Path(f"/proc/{child}/cmdline").read_bytes()
                if line == own or b"spawn_main" in line:
                    workers.append(int(child))
    return workers


def is_running(pid: int) -> bool:
    """Return whether the process is there and no zombie."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def strike(supervisor: int, random: Random, most: float) -> tuple[set[int], int]:
    """Kill or stop random workers now and then for up to ``most`` seconds.

    Return all workers that were seen, and how many signals they got.
    """
    seen: set[int] = set()
    strikes = 0
    end = time.monotonic() + random.random() * most
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, random.uniform(0.05, 0.8)))
        workers = workers_of(supervisor)
        seen |= set(workers)
        if workers:
            name = random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP))
            with suppress(ProcessLookupError):
                os.kill(random.choice(workers), name)
                strikes += 1
    return seen | set(workers_of(supervisor)), strikes


def _is_at_work(pid: int) -> bool:
    try:
        return _AT_WORK in Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
