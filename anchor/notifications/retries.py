"""When a delivery is tried again, and when it is given up."""

from __future__ import annotations

from typing import Final

from anchor.base.system.clock import parse_time

LONGEST_DELAY: Final = 24 * 3_600
"""The most seconds between two attempts to deliver a message."""
KEPT_TRYING: Final = 3 * 24 * 3_600
"""Seconds for which a message is tried; a webhook that failed for as long is disabled."""

_FIRST_DELAY: Final = 5
# A random part of each delay is added, so that what failed together is not tried together.
_SPREAD: Final = 0.25


def delay_after(failures: int, longest: int) -> int:
    """Return the seconds to wait after so many failures, one or more: doubled by each."""
    return min(_FIRST_DELAY << min(failures - 1, 32), longest)


def plan_retry(failures: int, jitter: float) -> int:
    """Return the seconds until the next attempt; ``jitter`` is a random number from 0 to 1."""
    return int(min(delay_after(failures, LONGEST_DELAY) * (1 + _SPREAD * jitter), LONGEST_DELAY))


def is_given_up(began_at: str, due_at: str) -> bool:
    """Return whether an attempt at ``due_at`` comes too late for what began at ``began_at``."""
    return parse_time(due_at) - parse_time(began_at) > KEPT_TRYING
