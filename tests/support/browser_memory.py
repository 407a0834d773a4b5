"""How much memory a browser takes, from outside."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MIB = 1 << 20


def children(process: int) -> Iterator[int]:
    """Every process below this one."""
    listed: list[int] = []
    with suppress(OSError):  # it has just ended
        for task in Path(f"/proc/{process}/task").iterdir():
            listed += map(int, (task / "children").read_text().split())
    for child in listed:
        yield child
        yield from children(child)


def resident() -> int:
    """How many bytes the browser, and what else runs below this process, holds in memory."""
    pages = 0
    for process in children(os.getpid()):
        try:
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
            pages -= int(Path(f"/proc/{process}/statm").read_text().split()[2])  # shared
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def watch_memory() -> Iterator[list[int]]:
    """Note the most that was in use, again and again."""
    noted = [resident()]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            noted.append(resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield noted
    finally:
        done.set()
        watcher.join()
