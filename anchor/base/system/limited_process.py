"""A child process with limits on its memory, its processor time and its duration."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """Limits of one process: its address space in bytes, processor and wall time in seconds."""

    memory: int
    cpu_seconds: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended; ``code`` is negative if a signal ended it, as a limit does."""

    code: int
    out: bytes
    err: bytes


async def run_limited(command: Sequence[str], limits: ProcessLimits, folder: Path) -> Ended:
    """Run a command without input in a folder, and return how it ended.

    The process is killed at the end of its time, or if this task is cancelled.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    # In a thread, because a process of the event loop would outlive a loop that ends meanwhile.
    ending = asyncio.ensure_future(asyncio.to_thread(process.communicate))
    try:
        if sys.platform == "linux":  # elsewhere, only the duration is limited
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                _limit(process.pid, limits)
        async with asyncio.timeout(limits.seconds):
            out, err = await asyncio.shield(ending)
    finally:
        process.kill()
        await ending
    return Ended(code=process.returncode, out=out, err=err)


if sys.platform == "linux":

    def _limit(pid: int, limits: ProcessLimits) -> None:
        resource.prlimit(pid, resource.RLIMIT_AS, (limits.memory, limits.memory))
        resource.prlimit(pid, resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
