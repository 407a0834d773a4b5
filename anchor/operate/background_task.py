"""Work in a thread of its own, one piece at a time, so that what hangs never delays anchoring."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from anchor.base.errors import AnchorError

_Result = TypeVar("_Result")


class BackgroundTask(Generic[_Result]):
    """Runs one function at a time in a thread called ``name``; the owner polls for its outcome."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._outcome: SimpleQueue[_Result | AnchorError] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Return whether a function was started whose outcome was not taken yet."""
        return self._thread is not None

    def start(self, work: Callable[[], _Result]) -> None:
        """Run ``work`` in a new thread; the previous one's outcome must have been taken."""
        assert self._thread is None
        self._thread = threading.Thread(
            target=self._run, args=(work,), daemon=True, name=f"anchor-{self._name}"
        )
        self._thread.start()

    def take_outcome(self) -> _Result | AnchorError | None:
        """Return the result or the error of the function that ended; None while it runs.

        Raises:
            RuntimeError: The thread died of an unexpected error, which it printed.
        """
        if self._thread is None:
            return None
        # Read before the queue: once the thread has ended, its outcome is in the queue.
        is_over = not self._thread.is_alive()
        try:
            outcome = self._outcome.get_nowait()
        except Empty:
            if is_over:
                raise RuntimeError(f"the thread {self._name} died") from None
            return None
        self._thread = None
        return outcome

    def _run(self, work: Callable[[], _Result]) -> None:
        try:
            self._outcome.put(work())
        except AnchorError as error:
            self._outcome.put(error)
