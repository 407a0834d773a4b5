"""Polling of slow dependencies in the background, so that pages and metrics never block.

Pages show what was last seen of a node or an object store, with its age, or that it is unknown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message

FRESH = 15.0
"""Age in seconds at which what was seen is fetched again: about one block."""

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting(Generic[Seen]):
    """The last observation, its time (Unix seconds), and why the latest fetch failed, if it did."""

    value: Seen | None = None
    seen_at: float | None = None
    trouble: Message | None = None


class BackgroundPoll(Generic[Seen]):
    """Caches the last sighting; ``snapshot`` starts the next fetch if it is old."""

    def __init__(self, fetch: Callable[[], Seen], current_time: Callable[[], float]) -> None:
        """Create the cache; the first ``snapshot`` calls ``fetch``, which must end by itself."""
        self._fetch = fetch
        self._current_time = current_time
        self._lock = threading.Lock()
        self._last: Sighting[Seen] = Sighting()
        self._asked_at: float | None = None
        self._asking: threading.Thread | None = None

    def snapshot(self, wait: float = 0.0) -> Sighting[Seen]:
        """Return the last sighting, and start the next fetch if it is old.

        A fetch under way is waited for up to ``wait`` seconds.
        """
        with self._lock:
            is_old = self._asked_at is None or self._current_time() - self._asked_at >= FRESH
            if is_old and self._asking is None:
                self._asked_at = self._current_time()
                self._asking = threading.Thread(target=self._ask, name="watch", daemon=True)
                self._asking.start()
            asking = self._asking
        if wait and asking is not None:
            asking.join(wait)
        with self._lock:
            return self._last

    def _ask(self) -> None:
        seen: Seen | None = None
        trouble: Message | None = Message("alarm-subject-unreadable")
        try:
            seen = self._fetch()
            trouble = None
        except AnchorError as error:
            trouble = error.message
        finally:
            with self._lock:
                before = self._last
                self._last = Sighting(
                    value=before.value if seen is None else seen,
                    seen_at=before.seen_at if seen is None else self._current_time(),
                    trouble=trouble,
                )
                self._asking = None
