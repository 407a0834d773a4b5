"""The retention date of evidence, as the service tells it."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Any

from anchor.client.answer_members import read_member


@dataclass(frozen=True, slots=True)
class StatusRetention:
    """Until when evidence is kept; ``source`` is ``record``, or ``owner`` who set a later date.

    ``beaten_by`` names what kept it at the last try to erase it, or is None.
    """

    until: str
    source: str
    beaten_by: str | None


def read_retention(members: dict[str, Any] | None) -> StatusRetention | None:
    """Parse the member ``retention`` of a status."""
    if members is None:
        return None
    return StatusRetention(
        until=read_member(members, "until", str),
        source=read_member(members, "source", str),
        beaten_by=read_member(members, "beaten_by", str, NoneType),
    )
