"""How long sessions, invitations, links to cases and API keys are valid.

Times are the texts of the store's columns (RFC 3339, UTC, milliseconds), which sort as they follow.
"""

from __future__ import annotations

from typing import Final

from anchor.base.system.clock import format_unix_time, parse_time

SESSION_SECONDS: Final = 12 * 3_600
"""The duration of a session, whether used or not."""
INVITATION_DAYS: Final = 7
"""The default validity of an invitation."""
MAX_INVITATION_DAYS: Final = 90
LINK_DAYS: Final = 14
"""The default validity of a link to a case."""
MAX_LINK_DAYS: Final = 90
MAX_KEY_DAYS: Final = 3_650
"""The longest validity of a key that expires."""

_DAY: Final = 86_400


def session_end(begun_at: str) -> str:
    """Return when a session ends that began at ``begun_at``."""
    return later(begun_at, SESSION_SECONDS)


def invitation_end(made_at: str, days: int = INVITATION_DAYS) -> str:
    """Return when an invitation made at ``made_at`` expires."""
    return later(made_at, days * _DAY)


def link_end(made_at: str, days: int = LINK_DAYS) -> str:
    """Return when a link to a case made at ``made_at`` expires."""
    return later(made_at, days * _DAY)


def is_in_force(expires_at: str, ended_at: str | None, at: str) -> bool:
    """Return whether a session, invitation or link at ``at`` has neither ended nor expired."""
    return ended_at is None and at < expires_at


def minute_of(at: str) -> str:
    """Return a time without seconds: the precision to which a session's last use is stored."""
    return f"{at[:16]}Z"


def later(at: str, seconds: float) -> str:
    """Return the time so many seconds after ``at``."""
    return format_unix_time(parse_time(at) + seconds)
