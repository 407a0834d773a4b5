"""How often the owner of an e-mail address is asked to confirm it, and how long the link works."""

from __future__ import annotations

from typing import Final

from anchor.people.lifetimes import later

CONFIRMATION_SECONDS: Final = 24 * 3_600
"""The validity of a link by which an address is confirmed."""

# Seconds until the second link; doubled by each, so that nobody's mailbox is filled.
_FIRST_WAIT: Final = 600
_LONGEST_WAIT: Final = 7 * 24 * 3_600


def confirmation_end(sent_at: str) -> str:
    """Return when a link that is sent at ``sent_at`` expires."""
    return later(sent_at, CONFIRMATION_SECONDS)


def next_link_at(asked: int, asked_at: str) -> str:
    """Return when another link may be asked for after ``asked`` in a row, the last at a time."""
    return later(asked_at, min(_FIRST_WAIT << min(asked - 1, 32), _LONGEST_WAIT))
