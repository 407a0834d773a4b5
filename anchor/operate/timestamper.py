"""The timestamper: has the checkpoint of each newly final head stamped, in the background.

A head that was final before the daemon started, and lacks a token, is stamped, too.  Failures are
reported and tried again; they never delay anchoring.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from anchor.base.errors import AnchorError, StoreBusyError
from anchor.base.system.clock import Clock
from anchor.base.types import Head
from anchor.operate.background_task import BackgroundTask
from anchor.operate.backoff import Backoff
from anchor.operate.events import Event, timestamp_event, unstamped_event
from anchor.operate.timestamping import (
    StampingOutcome,
    list_final_heads,
    list_missing,
    stamp_heads,
)
from anchor.project.project import OpenProject
from anchor.store.heads import newest_final_anchor


class Timestamper:
    """Keeps the tokens of the newest final head complete; ``poll`` has to be called regularly."""

    def __init__(
        self,
        project: OpenProject,
        clock: Clock,
        *,
        emit: Callable[[Event], None],
        jitter: Callable[[], float],
    ) -> None:
        self._project = project
        self._clock = clock
        self._emit = emit
        self._backoff = Backoff(jitter)
        self._task: BackgroundTask[list[StampingOutcome]] = BackgroundTask("timestamper")
        self._next_try = clock.monotonic()
        self._since = 0
        self._seen: Head | None = None

    def poll(self) -> None:
        """Start asking if a final head lacks a token, and report the outcome of the previous try.

        Raises:
            RuntimeError: The thread died of an unexpected error, which it printed.
        """
        time = self._clock.monotonic()
        outcome = self._task.take_outcome()
        if outcome is not None:
            self._settle(outcome, time)
        if self._task.is_running or time < self._next_try:
            return
        try:
            newest = self._project.read(newest_final_anchor)
            if newest is None or newest.head == self._seen:
                return
            heads = list_final_heads(self._project)
        except StoreBusyError:
            return  # unknown for now; the next poll reads again
        # Of the heads before this process only the newest: `anchor timestamp --all` has the rest.
        self._since = self._since or newest.head.size
        config = self._project.config
        missing = list_missing(config, [head for head in heads if head.size >= self._since])
        if missing:
            self._task.start(partial(stamp_heads, config, missing))
        else:
            self._seen = newest.head

    def _settle(self, outcome: list[StampingOutcome] | AnchorError, time: float) -> None:
        if isinstance(outcome, AnchorError):
            wait = self._backoff.next_wait()
            self._next_try = time + wait
            self._emit(unstamped_event(None, outcome, wait))
            return
        failed = [each for each in outcome if each.error is not None]
        wait = 0.0
        if failed:
            asked = [getattr(each.error, "retry_after", None) or 0.0 for each in failed]
            wait = self._backoff.next_wait(max(asked))
        else:
            self._backoff.reset()
        self._next_try = time + wait
        for each in outcome:
            self._emit(
                timestamp_event(each)
                if each.error is None
                else unstamped_event(each.tsa, each.error, wait)
            )
