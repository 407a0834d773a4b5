"""Measure a command with all its processes.

    python scripts/_bench/bench_capture.py anchor capture URL

Memory is the proportional set size (PSS) of the command and everything below it, so that what
processes share counts once; `/usr/bin/time -v` sees the largest single process only.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_PSS = re.compile(r"^Pss: +(\d+) kB$", re.MULTILINE)
_MIB_IN_KIB = 1024
_PULSE = 0.05


def list_tree(process: int) -> Iterator[int]:
    """Yield a process and everything that it started, as far as it runs still."""
    yield process
    children: list[int] = []
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    except OSError:
        return  # it has just ended
    for child in children:
        yield from list_tree(child)


def measure_memory(process: int) -> int:
    """Return the memory of a process and everything below it, in KiB."""
    total = 0
    for each in list_tree(process):
        try:
            match = _PSS.search(Path(f"/proc/{each}/smaps_rollup").read_text())
        except OSError:
            continue
        total += int(match[1]) if match else 0
    return total


def main(command: list[str]) -> int:
    """Run the command; print its time and the most memory that was seen, and return its code."""
    peak = 0
    began = time.monotonic()
    with subprocess.Popen(command) as process:
        ended = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not ended.wait(_PULSE):
                peak = max(peak, measure_memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        ended.set()
        watcher.join()
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = (
        f"{seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU time, "
        f"at most {peak / _MIB_IN_KIB:.0f} MiB"
    )
    print(figures, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
