"""The workers that hash: threads, processes, or the workers of a Dask cluster.

Threads suffice for files, because hashlib releases the GIL for every update of more than 2,047
bytes (Python documentation, hashlib, "Hash algorithms"), so that they use all cores without a copy
of the program or of the data.  Because every task is a plain function of plain values, processes
and other machines do the same behind the same `concurrent.futures.Executor`.
"""

from __future__ import annotations

import multiprocessing
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from anchor.base.errors import CannotCheckError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.cores import count_usable_cores
from anchor.base.system.ordered_tasks import MAX_TASKS

THREADS, PROCESSES, DASK = "threads", "processes", "dask"
_TASKS_A_THREAD = 3
_ADDRESS = r"(?:[a-z]+://)?[^\s@/?#]+"


def open_executor(workers: int | None = None) -> ThreadPoolExecutor:
    """Open a pool of ``workers`` threads; by default one for each usable core.

    Leaving its ``with`` block waits for the running tasks.
    """
    return ThreadPoolExecutor(max_workers=_count(workers), thread_name_prefix="anchor")


@dataclass(frozen=True, slots=True)
class HashingWorkers:
    """Workers in ``processes`` of their own; threads are in one, and share what it has."""

    executor: Executor
    processes: int
    threads: int

    @property
    def max_tasks(self) -> int:
        """Return how many tasks keep all threads at work while the oldest task takes long."""
        return max(MAX_TASKS, _TASKS_A_THREAD * self.threads)


@contextmanager
def open_workers(
    name: str, workers: int | None, report: Callable[[Message], None]
) -> Iterator[HashingWorkers]:
    """Open ``threads``, ``processes``, ``dask`` (on this machine) or ``dask:ADDRESS``.

    ``report`` is called with what a user may want to know, as where Dask shows its work.

    Raises:
        CannotCheckError: The workers cannot be reached, or were lost; the block's work is undone
            as far as its results were not received.
    """
    kind, _, address = name.partition(":")
    if kind not in (THREADS, PROCESSES, DASK) or (":" in name and (kind != DASK or not address)):
        raise UsageError(Message("executor-unknown", name=name))
    # The address is not repeated: it may hold a password.
    if address and not re.fullmatch(_ADDRESS, address):
        raise UsageError(Message("executor-address-malformed"))
    if address and workers is not None:
        raise UsageError(Message("executor-workers-of-cluster"))
    if kind == THREADS:
        with open_executor(workers) as threads:
            yield HashingWorkers(threads, 1, _count(workers))
    elif kind == PROCESSES:
        with _open_processes(_count(workers)) as processes:
            yield HashingWorkers(processes, _count(workers), _count(workers))
    else:
        from anchor.evidence.dask_executor import open_dask

        with open_dask(address or None, _count(workers), report) as (executor, threads):
            yield HashingWorkers(executor, max(len(threads), 1), sum(threads))


@contextmanager
def _open_processes(workers: int) -> Iterator[Executor]:
    # Spawned, because a fork would copy the locks that other threads hold.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_ignore_interrupts)
    try:
        with pool:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except BrokenProcessPool:
        raise CannotCheckError(
            Message("executor-process-lost"), hint=Message("executor-lost-hint")
        ) from None


def _ignore_interrupts() -> None:
    """Leave a terminal's Ctrl-C to the process that collects the results."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _count(workers: int | None) -> int:
    count = count_usable_cores() if workers is None else workers
    if count < 1:
        raise UsageError(Message("worker-count-invalid", count=count))
    return count
