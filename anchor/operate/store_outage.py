"""Waiting for an unavailable store: reported once an hour, retried at growing intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anchor.base.errors import (
    AnchorError,
    ConfigError,
    StorageError,
    StoreAwayError,
    StoreBusyError,
    StoreReplacedError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import StoppableClock, Stopped
from anchor.operate.backoff import Backoff
from anchor.operate.events import Event
from anchor.project.project import OpenProject

# A lasting outage is reported again after this many seconds.
_REMIND = 3600.0
# A request to stop is noticed within this many seconds.
_POLL = 1.0


@dataclass
class StoreWait:
    """Waits between attempts to use an unavailable store."""

    clock: StoppableClock
    emit: Callable[[Event], None]
    backoff: Backoff
    _since: float | None = None
    _told_at: float = 0.0

    def wait(self, error: AnchorError) -> None:
        """Report once an hour why the store cannot be used, and sleep until the next try."""
        started = self.clock.monotonic()
        if self._since is None or started - self._told_at >= _REMIND:
            self._told_at = started
            self.emit(
                Event(
                    event="store away",
                    text=Message("store-away-waiting", reason=error.message),
                    figures={"hint": error.hint or ""},
                )
            )
        self._since = started if self._since is None else self._since
        end = started + self.backoff.next_wait()
        while (left := end - self.clock.monotonic()) > 0:
            if self.clock.stopping.is_set():
                raise Stopped
            self.clock.sleep(min(left, _POLL))

    def note_open(self) -> None:
        """Report that the store can be used again, after an outage."""
        if self._since is not None:
            seconds = self.clock.monotonic() - self._since
            text = Message("store-back", seconds=seconds)
            self.emit(Event(event="store back", text=text))
        self._since = None
        self.backoff.reset()


def run_through_outages(
    waiting: StoreWait,
    open_once: Callable[[], OpenProject],
    work: Callable[[OpenProject, Callable[[], None]], None],
) -> None:
    """Open the project and do ``work`` in it, again after each outage of the store.

    ``work`` calls its second argument once the store accepts writes. Before that no work has begun,
    and every disk error counts as an outage. Afterwards an error whose outcome is unknown ends the
    work, and starting the process again is the recovery.

    Raises:
        AnchorError: ``work`` failed for another reason than an outage.
    """
    has_worked = is_working = False

    def note_open() -> None:
        nonlocal has_worked, is_working
        has_worked = is_working = True
        waiting.note_open()

    while True:
        is_working = False
        try:
            try:
                project = open_once()
            except ConfigError as error:
                # Before any success the configuration is wrong; later, the store is
                # just being mounted.
                if not has_worked:
                    raise
                waiting.wait(error)
                continue
            try:
                work(project, note_open)
                return
            finally:
                project.database.close()
        except StoreReplacedError as error:
            has_worked = True  # the configuration is right; the new store may be incomplete
            waiting.wait(error)
        except StoreAwayError as error:
            waiting.wait(error)
        except (StorageError, StoreBusyError) as error:
            if is_working:
                raise
            waiting.wait(error)
