"""Tasks on an executor whose results are taken in order, of which few exist at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_TASKS = 48
"""Three tasks for each of 16 workers, so that 15 go on while the oldest reads a large file."""


def run_in_order(
    arguments: Iterable[T], submit: Callable[[T], Future[R]], max_tasks: int = MAX_TASKS
) -> Generator[tuple[T, Future[R]], None, None]:
    """Submit a task for each argument; yield both in the order of the arguments.

    An argument is drawn once fewer than ``max_tasks`` tasks exist whose results were not taken.
    When the generator is closed, also by an error, waiting tasks are cancelled.
    """
    pending: deque[tuple[T, Future[R]]] = deque()
    try:
        for argument in arguments:
            pending.append((argument, submit(argument)))
            # Taken late: while the caller stores what it got, the workers have enough to do.
            if len(pending) >= max_tasks:
                yield pending.popleft()
        while pending:
            yield pending.popleft()
    finally:
        for _, task in pending:
            task.cancel()
