"""Processes that use too much are ended, and say how."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import uvloop

from anchor.base.system.limited_process import Ended, ProcessLimits, run_limited

LIMITS = ProcessLimits(memory=1 << 30, cpu_seconds=1, seconds=100)


def run(code: str, folder: Path, limits: ProcessLimits = LIMITS) -> Ended:
    return asyncio.run(run_limited([sys.executable, "-c", code], limits, folder))


def test_what_a_process_prints_comes_back(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd()); print('no', file=sys.stderr); sys.exit(3)"
    ended = run(code, tmp_path)
    assert ended == Ended(code=3, out=f"{tmp_path}\n".encode(), err=b"no\n")


def test_a_process_ends_that_uses_too_much_memory_or_processor_time(tmp_path: Path) -> None:
    ended = run("import time; time.sleep(0.3); bytearray(2 << 30)", tmp_path)
    assert ended.code == 1
    assert b"MemoryError" in ended.err
    assert run("while True: pass", tmp_path).code == -signal.SIGKILL


def test_a_process_is_killed_at_the_end_of_its_time(tmp_path: Path) -> None:
    started = time.monotonic()
    limits = ProcessLimits(memory=1 << 30, cpu_seconds=1, seconds=0.3)
    with pytest.raises(TimeoutError):
        run("import time; time.sleep(60)", tmp_path, limits)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("cancellations", [1, 2])
def test_a_process_does_not_outlive_the_loop_that_cancels_it(
    tmp_path: Path, cancellations: int
) -> None:
    code = "import os, time; open('pid', 'w').write(f'{os.getpid()}\\n'); time.sleep(600)"

    async def cancel() -> None:
        task = asyncio.create_task(run_limited([sys.executable, "-c", code], LIMITS, tmp_path))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
        for _ in range(cancellations):
            task.cancel()
            await asyncio.sleep(0)

    uvloop.run(cancel())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
