"""A child process with limits on its memory, its processor time and its duration."""

from __future__ import annotations

import asyncio
import contextlib
import resource
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
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if sys.platform == "linux":  # elsewhere, only the duration is limited
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                _limit(process.pid, limits)
        async with asyncio.timeout(limits.seconds):
            out, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    assert process.returncode is not None
    return Ended(code=process.returncode, out=out, err=err)


if sys.platform == "linux":

    def _limit(pid: int, limits: ProcessLimits) -> None:
        resource.prlimit(pid, resource.RLIMIT_AS, (limits.memory, limits.memory))
        resource.prlimit(pid, resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
