"""The supervisor of the service's worker processes: it replaces those that die, and stops on time.

uvicorn's own supervisor waits for each worker's answer to a health check, for as long as a worker
may take to load, and handles no signal meanwhile: asked to stop while a worker had just died or
was still starting, it did not end for a minute.  This one never waits for an answer.
"""

from __future__ import annotations

import signal
import time
from multiprocessing import resource_tracker
from socket import socket

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

_JOIN_PAUSE = 0.05


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

    def _start(self) -> Process:
        """Start a worker that ignores Ctrl-C, which a terminal sends to every process."""
        process = Process(self.config, self.sockets)
        # multiprocessing starts this process with the first worker, and then clears the mask.
        resource_tracker.ensure_running()
        # The worker inherits the mask; in this process the signal is pending until it is started.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return process

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
