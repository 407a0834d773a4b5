"""The erasure keeper: takes off the disk, in the background, what was erased.

A service's answer and a retention date's act end with the statement on disk; what is left of the
evidence in receipts, the side file and the database's free space goes here, within a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.operate.background_task import BackgroundTask
from anchor.operate.erasure_cleanup import CleanupResult, clean_up
from anchor.operate.events import Event
from anchor.project.project import OpenProject

# Seconds between two looks for unfinished erasures, and after a failure: each try may rewrite the
# whole database.
_POLL = 30.0
_AFTER_FAILURE = 120.0


class ErasureKeeper:
    """Finishes erasures, all that are ordered at once; ``poll`` has to be called regularly."""

    def __init__(
        self, project: OpenProject, *, steady: Callable[[], float], emit: Callable[[Event], None]
    ) -> None:
        """Create the keeper; ``steady`` is in seconds."""
        self._project = project
        self._steady = steady
        self._emit = emit
        self._next_look = steady()
        self._task: BackgroundTask[CleanupResult | None] = BackgroundTask("erasure")

    def poll(self) -> None:
        """Report what the last cleanup did, and start the next one if it is time.

        Raises:
            RuntimeError: The thread died of an unexpected error, which it printed.
        """
        outcome = self._task.take_outcome()
        if outcome is not None:
            self._settle(outcome)
        if not self._task.is_running and self._steady() >= self._next_look:
            self._next_look = self._steady() + _POLL
            self._task.start(partial(clean_up, self._project))

    def _settle(self, outcome: CleanupResult | AnchorError) -> None:
        if isinstance(outcome, AnchorError):
            self._next_look = self._steady() + _AFTER_FAILURE
            text = Message("erasure-unfinished", reason=outcome.message)
            self._emit(Event(event="warning", text=text))
            return
        figures: dict[str, int | str] = {"pieces": outcome.leaves}
        text = Message("erasure-finished", count=outcome.leaves)
        self._emit(Event(event="erasure", text=text, figures=figures))
        for remains in outcome.remains:
            self._emit(Event(event="warning", text=remains))
