"""The supervisor of the service's worker processes: it replaces those that die, and stops on time.

uvicorn's own supervisor waits for each worker's answer to a health check, for as long as a worker
may take to load, and handles no signal meanwhile: asked to stop while a worker had just died or
was still starting, it did not end for a minute.  This one never waits for an answer.

It forks the workers where it can, on Linux and without threads of its own: loading the service's
modules takes seconds, and the workers share the memory.  uvicorn's spawns them.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import socket
from typing import cast

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import SIGNALS, Process

_JOIN_PAUSE = 0.05
_THREADS = Path("/proc/self/task")


class Worker(Process):
    """uvicorn's worker, which ignores Ctrl-C, because a terminal sends it to every process."""

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        # A fork copies no other thread, and so for ever closes the locks that one holds.
        self._is_forked = _THREADS.is_dir() and len(list(_THREADS.iterdir())) == 1
        if self._is_forked:
            forked = multiprocessing.get_context("fork").Process(
                target=self.target, args=(sockets,)
            )
            # Every kind of process has what uvicorn uses of it.
            self.process = cast(SpawnProcess, forked)

    def start(self) -> None:
        """Start the process, with signals blocked until it has handlers of its own."""
        if not self._is_forked:
            # multiprocessing starts this process with the first worker, and then clears the mask.
            resource_tracker.ensure_running()
        blocked = set(SIGNALS) if self._is_forked else {signal.SIGINT}
        # The worker inherits the mask; in this process the signals are pending until it is started.
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve, without the supervisor's handlers of signals."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, set(SIGNALS) - {signal.SIGINT})
        super().target(sockets)


class Supervisor(Multiprocess):
    """uvicorn's supervisor with health checks that do not block, and a deadline for stopping.

    A worker that leaves a health check unanswered for ``config.timeout_worker_healthcheck``
    seconds is killed and replaced.  On a stop, workers that have not ended after ``stop_seconds``
    are killed.
    """

    def __init__(self, config: Config, sockets: list[socket], *, stop_seconds: float) -> None:
        super().__init__(config, sockets)
        self._stop_seconds = stop_seconds
        self._unanswered: dict[Process, float] = {}

    def init_processes(self) -> None:
        """Start the workers."""
        for _ in range(self.processes_num):
            self.processes.append(self._start())

    def handle_hup(self) -> None:
        """Stop, because the terminal was closed; a restart would wait for each new worker."""
        self.should_exit.set()

    def handle_ttin(self) -> None:
        """Do nothing: an option sets the number of workers."""

    def handle_ttou(self) -> None:
        """Do nothing: an option sets the number of workers."""

    def keep_subprocess_alive(self) -> None:
        """Replace each worker that has died or stopped answering; return without waiting."""
        for index, process in enumerate(self.processes):
            if not self._is_lost(process):
                continue
            process.kill()
            process.join()
            self._unanswered.pop(process, None)
            if process.exitcode == STARTUP_FAILURE:  # every new worker would fail the same way
                self.should_exit.set()
                return
            self.processes[index] = self._start()

    def join_all(self) -> None:
        """Wait until every worker has ended; kill those that miss the deadline."""
        deadline = time.monotonic() + self._stop_seconds
        for process in self.processes:
            process.process.join(max(_JOIN_PAUSE, deadline - time.monotonic()))
            if process.process.is_alive():
                process.process.kill()
                process.process.join()

    def _start(self) -> Worker:
        worker = Worker(self.config, self.sockets)
        worker.start()
        return worker

    def _is_lost(self, process: Process) -> bool:
        """Return whether a worker has died, or has not answered for too long."""
        if not process.process.is_alive():
            return True
        try:
            asked_at = self._unanswered.get(process)
            if asked_at is None:
                process.parent_conn.send(b"ping")
                self._unanswered[process] = time.monotonic()
                return False
            if process.parent_conn.poll(0):
                process.parent_conn.recv()
                del self._unanswered[process]
                return False
        except (OSError, EOFError):
            return True
        return time.monotonic() - asked_at > self.config.timeout_worker_healthcheck
