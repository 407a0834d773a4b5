"""The worker that carries out the orders of a spool folder, each in a process that it bounds.

It keeps nothing between two captures.  What it had taken when it was killed is taken again by the
next one, so often at most, and then ends with that as the reason.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anchor.base.errors import AnchorError, StoreBusyError
from anchor.base.messages.message import Message
from anchor.base.system.abandoned_folders import remove_abandoned
from anchor.base.system.file_lock import hold_file
from anchor.base.system.guarded_process import end_guarded, start_guarded
from anchor.capture.capture_spool import (
    MAX_RESULT_BYTES,
    MOST_ATTEMPTS,
    CaptureSpool,
    ClaimedOrder,
    encode_refusal,
)

_PAUSE = 0.2
_STOP_SECONDS = 5.0
_SCRATCH = "anchor-ordered-capture-"
_ABANDONED = 3_600
_VARIABLE = "ANCHOR_ORDERED_CAPTURE"
# Of everything but the page: no address of a node or store, no password.
_PASSED_ON = ("CHROMIUM", "HOME", "LANG", "LC_ALL", "PATH", "TZ", "TMPDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureLimits:
    """Limits of one capture: seconds, and bytes of memory of all its processes; and how many run.

    Memory is what the processes do not share with files, as Linux counts it.
    """

    seconds: float = 900.0
    memory: int = 3 << 29
    bag_bytes: int = 1 << 30
    parallel: int = 1


@dataclass(slots=True, kw_only=True)
class _Running:
    claimed: ClaimedOrder
    process: subprocess.Popen[bytes]
    folder: Path
    ends_at: float
    refusal: Message | None = None


class CaptureWorker:
    """Takes orders, starts ``command ORDER FOLDER`` for each, and gives their results.

    ``tell`` is called with what happens.  ``made`` counts the captures that ended by themselves,
    ``refused`` those that were ended.
    """

    def __init__(
        self,
        spool: CaptureSpool,
        command: Sequence[str],
        limits: CaptureLimits,
        tell: Callable[[Message], None],
    ) -> None:
        self._spool = spool
        self._command = tuple(command)
        self._limits = limits
        self._tell = tell
        self._running: list[_Running] = []
        self.made = self.refused = 0

    def run(self, stop: threading.Event, *, is_once: bool = False) -> None:
        """Work until ``stop`` is set, or with ``is_once`` until no order waits."""
        self._spool.prepare()
        held = StoreBusyError(Message("capture-worker-runs", path=self._spool.folder))
        with hold_file(self._spool.lock, held):
            remove_abandoned(_SCRATCH, time.time() - _ABANDONED)
            try:
                due = self._take_over()
                while not stop.is_set():
                    self._settle_ended()
                    due = self._start_due(due)
                    if is_once and not self._running and not due:
                        return
                    stop.wait(_PAUSE)
            finally:
                for each in self._running:  # they are taken again by the next worker
                    _end(each)

    def _take_over(self) -> list[ClaimedOrder]:
        """Return what an earlier worker had taken, to be begun once more."""
        due = []
        for claimed in self._spool.list_claimed():
            _kill_marked(claimed.id)
            if self._spool.has_result(claimed.id):
                self._spool.drop(claimed)
            elif claimed.attempt >= MOST_ATTEMPTS:
                self._refuse(claimed, Message("capture-worker-ended", count=claimed.attempt))
            else:
                due.append(self._spool.take_again(claimed))
        return due

    def _start_due(self, due: list[ClaimedOrder]) -> list[ClaimedOrder]:
        """Start as many captures as may run; return those to be begun again that still wait."""
        while len(self._running) < self._limits.parallel:
            claimed = due.pop(0) if due else self._spool.claim()
            if claimed is None:
                break
            try:
                self._spool.read_order(claimed)
            except (AnchorError, OSError):
                self._refuse(claimed, Message("capture-spool-malformed"))
                continue
            self._running.append(self._start(claimed))
        return due

    def _start(self, claimed: ClaimedOrder) -> _Running:
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH))
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        marked = [f"{name}={value}" for name, value in kept.items()]
        command = ("/usr/bin/env", "-i", *marked, f"{_VARIABLE}={claimed.id}", *self._command)
        with (folder / "errors").open("wb") as errors:
            process = start_guarded(
                (*command, str(claimed.path), str(folder)), folder / "none", stderr=errors
            )
        self._tell(Message("capture-begun", id=claimed.id, attempt=claimed.attempt))
        ends_at = time.monotonic() + self._limits.seconds
        return _Running(claimed=claimed, process=process, folder=folder, ends_at=ends_at)

    def _settle_ended(self) -> None:
        for each in list(self._running):
            if each.process.poll() is None:
                each.refusal = self._find_excess(each)
                if each.refusal is None:
                    continue
            self._running.remove(each)
            _end(each)
            self._settle(each)
            shutil.rmtree(each.folder, ignore_errors=True)

    def _find_excess(self, running: _Running) -> Message | None:
        if time.monotonic() > running.ends_at:
            return Message("capture-too-slow", seconds=round(self._limits.seconds))
        used = sum(map(_measure, _list_descendants(running.process.pid)))
        if used > self._limits.memory:
            return Message("capture-too-much-memory", megabytes=self._limits.memory >> 20)
        return None

    def _settle(self, running: _Running) -> None:
        """Give the result of a capture that ended, or begin it again."""
        claimed, result = running.claimed, running.folder / "result.json"
        if running.refusal is None and result.is_file():
            bag = running.folder / "bag.zip"
            if result.stat().st_size > MAX_RESULT_BYTES:
                self._refuse(claimed, Message("capture-spool-malformed"))
            elif bag.is_file() and bag.stat().st_size > self._limits.bag_bytes:
                self._refuse(claimed, Message("capture-bag-too-large", bytes=bag.stat().st_size))
            else:
                self._spool.put_result(claimed, result.read_bytes(), bag if bag.is_file() else None)
                self.made += 1
                self._tell(Message("capture-ended", id=claimed.id))
        elif running.refusal is not None:
            self._refuse(claimed, running.refusal)
        elif claimed.attempt >= MOST_ATTEMPTS:
            self._refuse(claimed, Message("capture-worker-ended", count=claimed.attempt))
        else:
            self._tell(Message("capture-failed", id=claimed.id, code=running.process.returncode))
            self._running.append(self._start(self._spool.take_again(claimed)))

    def _refuse(self, claimed: ClaimedOrder, reason: Message) -> None:
        self._tell(Message("capture-not-made", id=claimed.id, reason=reason))
        self._spool.put_result(claimed, encode_refusal(claimed.id, reason), None)
        self.refused += 1


def _end(running: _Running) -> None:
    end_guarded(running.process, _STOP_SECONDS)
    _kill_marked(running.claimed.id)


def _kill_marked(id: str) -> None:
    """Kill what is left of a capture: its processes have its id among their variables."""
    marker = f"{_VARIABLE}={id}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # ended, or another user's
            if marker in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


def _list_descendants(process: int) -> Iterator[int]:
    """Yield a process and all those below it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text("latin-1").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    due = [process]
    while due:
        each = due.pop()
        yield each
        due += children.get(each, [])


def _measure(process: int) -> int:
    """Return the bytes of a process in memory that no file holds."""
    try:
        words = Path(f"/proc/{process}/statm").read_text("ascii").split()
    except OSError:
        return 0
    return (int(words[1]) - int(words[2])) * os.sysconf("SC_PAGE_SIZE")
