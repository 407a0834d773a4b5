"""The retention keeper: acts on retention dates in the background, if the configuration says so.

A clock that is wrong must not erase early: the time is the earlier one of this machine's clock and
of the newest final block.  Failures are reported and tried again; they never delay anchoring.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from anchor.base.errors import AnchorError, CannotCheckError, FinalityViolatedError, StoreBusyError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_unix_time
from anchor.chain.node import Node
from anchor.operate.background_task import BackgroundTask
from anchor.operate.events import Event
from anchor.operate.incident_handling import fetch_final
from anchor.operate.retention_erasing import MOST, RetentionRound, act_on_due
from anchor.project.project import OpenProject
from anchor.store.retentions import load_due

# Seconds between two looks for dates that are due, and after a failure.
_POLL = 60.0
_AFTER_FAILURE = 600.0


class RetentionKeeper:
    """Erases what is due, a batch at a time; ``poll`` has to be called regularly."""

    def __init__(
        self,
        project: OpenProject,
        node: Node,
        *,
        wall: Callable[[], float],
        steady: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        """Create the keeper; ``wall`` is in Unix seconds, ``steady`` in seconds."""
        self._project = project
        self._node = node
        self._wall = wall
        self._steady = steady
        self._emit = emit
        self._next_look = steady()
        self._task: BackgroundTask[RetentionRound] = BackgroundTask("retention")

    def poll(self) -> None:
        """Report what the last batch did, and start the next one if a date is due.

        Raises:
            RuntimeError: The thread died of an unexpected error, which it printed.
        """
        outcome = self._task.take_outcome()
        if outcome is not None:
            self._settle(outcome)
        is_due = self._steady() >= self._next_look
        if not self._project.config.retention.acts or self._task.is_running or not is_due:
            return
        self._next_look = self._steady() + _POLL
        try:
            at = self._find_time()
        except (CannotCheckError, FinalityViolatedError, StoreBusyError):
            return  # without the chain's time nothing is due; the daemon itself sees contradictions
        if at is not None:
            self._task.start(partial(act_on_due, self._project, at))

    def _find_time(self) -> float | None:
        """Return a time that has certainly passed, if a date may be due; no node is asked else."""
        at = self._wall()
        with self._project.database.read() as connection:
            if not load_due(connection, format_unix_time(at), 1):
                return None
        at = min(at, fetch_final(self._project, self._node).timestamp)
        with self._project.database.read() as connection:
            return at if load_due(connection, format_unix_time(at), 1) else None

    def _settle(self, outcome: RetentionRound | AnchorError) -> None:
        if isinstance(outcome, AnchorError):
            self._next_look = self._steady() + _AFTER_FAILURE
            text = Message("daemon-retention-failed", reason=outcome.message)
            self._emit(Event(event="warning", text=text))
            return
        if outcome.looked == MOST:
            self._next_look = self._steady()  # there may be more
        if outcome.told or outcome.erased or outcome.beaten:
            self._emit(retention_event(outcome))


def retention_event(outcome: RetentionRound) -> Event:
    """Return the event of a batch of retention dates."""
    figures: dict[str, int | str] = {
        "told": outcome.told, "erased": outcome.erased, "beaten": outcome.beaten,
    }  # fmt: skip
    text = Message(
        "daemon-retention-acted",
        told=outcome.told,
        erased=outcome.erased,
        beaten=outcome.beaten,
    )
    return Event(event="retention", text=text, figures=figures)
