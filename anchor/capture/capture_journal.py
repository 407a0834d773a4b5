"""The journal of a capture: every step with its time, and everything that was not captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.capture.web_exchange import Uncaptured
from anchor.collection.machine_environment import clean_text


class CaptureJournal:
    """Steps and omissions in their order."""

    def __init__(self, read_clock: Callable[[], str] = utc_now) -> None:
        """Take times from ``read_clock``."""
        self.steps: list[dict[str, Any]] = []
        self.uncaptured: list[Uncaptured] = []
        self._read_clock = read_clock

    def note(self, step: str, **members: object) -> None:
        """Record that a step was made now."""
        self.steps.append({"at": self._read_clock(), "step": step, **members})

    def miss(self, subject: str, reason: Message) -> None:
        """Record that something was not captured."""
        self.uncaptured.append(Uncaptured(subject=clean_text(subject), reason=reason))
