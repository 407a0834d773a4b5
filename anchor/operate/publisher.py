"""The publisher: publishes the log in the background whenever a newer head is final.

It has a thread of its own, so that a target that hangs never delays anchoring.  Failures are
reported and tried again.  A process that ends half-way leaves the state that ``publishing``
describes, and the next one continues: the store shows whether a head is to be published.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from anchor.base.errors import AnchorError, CannotCheckError, StoreBusyError
from anchor.base.system.clock import Clock
from anchor.base.types import Head
from anchor.log.publication import PublicationWriter
from anchor.operate.background_task import BackgroundTask
from anchor.operate.backoff import Backoff
from anchor.operate.events import (
    Event,
    long_publication_event,
    publication_event,
    unpublished_event,
)
from anchor.operate.publishing import Publication, publish_log
from anchor.project.project import OpenProject
from anchor.store.heads import newest_final_anchor

# A publication that takes longer is reported, and again each time this many seconds have passed.
_LONG = 600.0


class Publisher:
    """Keeps ``target`` up to the newest final head; ``poll`` has to be called regularly."""

    def __init__(
        self,
        project: OpenProject,
        target: PublicationWriter,
        clock: Clock,
        *,
        emit: Callable[[Event], None],
        jitter: Callable[[], float],
    ) -> None:
        self._project = project
        self._target = target
        self._clock = clock
        self._emit = emit
        self._backoff = Backoff(jitter)
        self._task: BackgroundTask[Publication] = BackgroundTask("publisher")
        self._started = 0.0
        self._next_try = self._next_word = clock.monotonic()
        self._published: Head | None = None

    def poll(self, prepare: Callable[[], object]) -> None:
        """Start a publication if a newer head is final, and report the outcome of the previous one.

        ``prepare`` is called before: it stores anchors that are missing in the list.

        Raises:
            RuntimeError: The publishing thread died of an unexpected error, which it printed.
        """
        current_time = self._clock.monotonic()
        outcome = self._task.take_outcome()
        if outcome is not None:
            self._settle(outcome, current_time)
        if self._task.is_running:
            self._watch_duration(current_time)
            return
        if current_time < self._next_try or not self._is_behind():
            return
        try:
            prepare()
        except (CannotCheckError, StoreBusyError):
            pass  # the stored anchors may suffice; if not, the publication fails
        self._started, self._next_word = current_time, current_time + _LONG
        self._task.start(partial(publish_log, self._project, self._target))

    def _is_behind(self) -> bool:
        try:
            newest = self._project.read(newest_final_anchor)
        except StoreBusyError:
            return False  # unknown for now; the next poll reads again
        return newest is not None and newest.head != self._published

    def _settle(self, outcome: Publication | AnchorError, current_time: float) -> None:
        if isinstance(outcome, AnchorError):
            wait = self._backoff.next_wait()
            self._next_try = current_time + wait
            self._emit(unpublished_event(outcome, wait))
            return
        self._published = outcome.head
        self._backoff.reset()
        if outcome.is_new:
            self._emit(publication_event(outcome, self._target.name))

    def _watch_duration(self, current_time: float) -> None:
        if current_time >= self._next_word:
            self._next_word = current_time + _LONG
            self._emit(long_publication_event(self._target.name, current_time - self._started))
