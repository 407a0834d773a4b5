"""Real processes, started and started again by the rules that their systemd units state."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from support.command import ANCHOR, environment
from support.paths import DEPLOY
from support.stopping import workers_of
from support.units import Ended, Unit, read_unit

_POLL = 0.02
# The unit's places, which are others here.
_PROGRAM = "/opt/anchor/bin/anchor"
_CONFIG = "/srv/anchor/anchor.toml"


@dataclass
class Supervised:
    """A unit's process, kept running as systemd keeps it; ``scale`` shortens its pauses.

    What systemd does with the control group is done with the session: when the main process ends,
    whatever it left is killed.
    """

    name: str
    config: Path
    log: Path
    extra: tuple[str, ...] = ()
    scale: float = 1.0
    env: dict[str, str] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    gave_up: str = ""
    _stopping: threading.Event = field(default_factory=threading.Event)
    _process: subprocess.Popen[bytes] | None = None
    _offset: int = 0

    def __enter__(self) -> Self:
        """Start it."""
        self.unit: Unit = read_unit(DEPLOY / self.name)
        self._file = self.log.open("ab")
        self._thread = threading.Thread(target=self._keep, name=self.name)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it as `systemctl stop` does."""
        self.stop()
        self._file.close()

    @property
    def pid(self) -> int | None:
        """The main process while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> bool:
        """Send the main process a signal; say whether there was one."""
        pid = self.pid
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return True

    def workers(self) -> list[int]:
        """Return the processes that answer, of those that the main one started."""
        pid = self.pid
        return [] if pid is None else workers_of(pid)

    def has_started(self) -> bool:
        """Say whether a daemon has told that it works, since its newest start."""
        return b'"started"' in self.log.read_bytes()[self._offset :]

    def stop(self) -> None:
        """End it for good: SIGTERM, and SIGKILL after the unit's time."""
        self._stopping.set()
        self._thread.join()

    def _command(self) -> list[str]:
        program, *words = self.unit.command
        assert program == _PROGRAM
        words = [str(self.config) if word == _CONFIG else word for word in words]
        return [*ANCHOR, *words, *self.extra]

    def _keep(self) -> None:
        while True:
            self.starts.append(time.monotonic())
            ended = self._run()
            self.ends.append(ended.code)
            if self._stopping.is_set():
                return
            # Of a unit's time, as the process sees it.
            now = time.monotonic()
            starts = [now - (now - start) / self.scale for start in self.starts]
            at = self.unit.next_start(ended, len(self.starts) - 1, starts, now)
            if at is None:
                self.gave_up = f"{self.name} ended with {ended.code} and is not started again"
                return
            if self._stopping.wait((at - now) * self.scale):
                return

    def _run(self) -> Ended:
        self._offset = self.log.stat().st_size
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            env=environment(**self.env),
            cwd="/",
            start_new_session=True,
        )
        told_at: float | None = None
        timed_out = False
        while (code := self._process.poll()) is None:
            if self._stopping.is_set():
                if told_at is None:
                    told_at = time.monotonic()
                    self._process.send_signal(signal.SIGTERM)
                elif time.monotonic() - told_at > self.unit.stop_seconds:
                    timed_out = True
                    self._process.kill()
            time.sleep(_POLL)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return Ended(code, timed_out)
