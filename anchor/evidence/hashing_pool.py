"""The pool of threads for hashing.

Threads suffice, because hashlib releases the GIL for every update of more than 2,047 bytes (Python
documentation, hashlib, "Hash algorithms"), so that they use all cores without a copy of the program
or of the data.  Because every task is a plain function of plain values, processes or another
machine's executor can replace them behind the same `concurrent.futures.Executor`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from anchor.errors import UsageError
from anchor.messages.message import Message
from anchor.system.cores import count_usable_cores


def open_executor(workers: int | None = None) -> ThreadPoolExecutor:
    """Open a pool of ``workers`` threads; by default one for each usable core.

    Leaving its ``with`` block waits for the running tasks.

    Raises:
        UsageError: ``workers`` is less than one.
    """
    count = count_usable_cores() if workers is None else workers
    if count < 1:
        raise UsageError(Message("worker-count-invalid", count=count))
    return ThreadPoolExecutor(max_workers=count, thread_name_prefix="anchor")
