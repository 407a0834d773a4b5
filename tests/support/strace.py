"""Runs ``anchor`` under strace, which lets any of its system calls fail, or be its last.

Between this and the product is nothing: the process is the real one, and so is what the kernel
tells it.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import pytest
from support.command import ANCHOR, Ran, run_anchor
from support.tools import check_program

CALLS = ("write", "pwrite64", "fsync", "fdatasync")
"""What puts bytes on a disk."""

Fault = Literal["error=EIO", "error=ENOSPC", "signal=KILL"]
FAULTS: tuple[Fault, ...] = ("error=EIO", "error=ENOSPC", "signal=KILL")

# Without stopping for other calls; but then strace delivers no signals.
_QUICK = "--seccomp-bpf"
# As `strace -f -y` prints a call:  123 pwrite64(5</folder/anchor.db-wal>, …
_LINE = re.compile(r"^(\d+) +(\w+)\(\d+<([^>]*)>")


@dataclass(frozen=True, slots=True)
class Call:
    """The ``number``-th call of this name that a run's main thread makes; it goes to ``path``."""

    name: str
    number: int
    path: str

    def __str__(self) -> str:
        return f"{self.name} {self.number} to {Path(self.path).name}"


@dataclass(frozen=True, slots=True)
class Traced:
    """How a run ended, its calls in order, and how many of them were tampered with."""

    ran: Ran
    calls: tuple[Call, ...]
    injected: int


def trace(*arguments: str | Path, cwd: Path, names: tuple[str, ...] = CALLS) -> Traced:
    """Run ``anchor`` and list what it does to ``cwd`` and the files below."""
    return _run(arguments, cwd, (_QUICK, "-e", f"trace={','.join(names)}"), killed=False)


def inject(call: Call, fault: Fault, *arguments: str | Path, cwd: Path) -> Traced:
    """Run ``anchor`` and let ``call`` fail, or be its last."""
    options: tuple[str, ...] = (
        "-e", f"trace={call.name}",
        "-e", f"inject={call.name}:{fault}:when={call.number}",
    )  # fmt: skip
    if fault != "signal=KILL":
        options = (_QUICK, *options)
    return _run(arguments, cwd, options, killed=None if fault == "signal=KILL" else False)


def _run(
    arguments: tuple[str | Path, ...], cwd: Path, options: tuple[str, ...], *, killed: bool | None
) -> Traced:
    log = cwd / "strace.txt"
    command = (_find_strace(), "-f", "-y", "-o", str(log), *options, *ANCHOR)
    ran = run_anchor(*arguments, cwd=cwd, command=command, killed=killed)
    text = log.read_text("utf-8", "replace")
    log.unlink()
    # Of a call that was the last, strace prints no end.
    injected = 1 if ran.code == -signal.SIGKILL else text.count("(INJECTED)")
    return Traced(ran=ran, calls=_parse(text, cwd), injected=injected)


def _parse(text: str, cwd: Path) -> tuple[Call, ...]:
    lines = [found.groups() for found in map(_LINE.match, text.splitlines()) if found]
    main = lines[0][0] if lines else ""
    counts: Counter[str] = Counter()
    calls = []
    for thread, name, path in lines:
        if thread == main:
            counts[name] += 1
            if path == str(cwd) or path.startswith(f"{cwd}/"):
                calls.append(Call(name, counts[name], path))
    return tuple(calls)


@cache
def _find_strace() -> str:
    found = check_program("strace")
    options = ("-f", "-e", "trace=getppid", "-e", "inject=getppid:signal=KILL")
    program = (sys.executable, "-c", "import os; os.getppid()")
    tried = subprocess.run([found, *options, *program], capture_output=True, check=False)
    if tried.returncode != -signal.SIGKILL:
        pytest.fail(
            "strace may not trace here (ptrace is forbidden): allow it, in a container with "
            f"--cap-add=SYS_PTRACE: {tried.stderr.decode(errors='replace')[-300:]}"
        )
    return found
