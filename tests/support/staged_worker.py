"""A capture worker in a process of its own, in a staged Internet: ``SPOOL COMMAND…``."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from anchor.capture.capture_spool import CaptureSpool
from anchor.capture.capture_worker import CaptureLimits, CaptureWorker


@contextmanager
def start_worker(spool: Path, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker during the block."""
    words = [sys.executable, __file__, str(spool), *command]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def read_memory(process: int) -> int:
    """Return the resident bytes of a process."""
    words = Path(f"/proc/{process}/statm").read_text().split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE")


def main(spool: str, *command: str) -> None:
    """Work until the process is ended."""
    worker = CaptureWorker(
        CaptureSpool(Path(spool)), command, CaptureLimits(), lambda told: print(told, flush=True)
    )
    worker.run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
