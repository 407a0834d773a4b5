"""Custody events: records of their own in the log, chained from one to the next.

The evidence of such a record is the event itself: the canonical JSON of the record's ``custody``
member, whose digests the record holds.  All of it is stated by the operator.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from anchor.base.canonical import encode_canonical
from anchor.base.digests import SHA256, SM3, Digests, digest_bytes
from anchor.base.messages.message import Message
from anchor.evidence.group_members import Group, Member, dump_group
from anchor.evidence.statement_text import DigestText, StatementText, TimeText

KIND: Literal["custody-event"] = "custody-event"
ORIGIN = "custody:"
"""How the source of a custody event's evidence begins."""
EventName = Literal[
    "collect", "seal", "copy", "transfer", "access", "analyse", "export", "renew", "erase"
]
EVENTS: tuple[EventName, ...] = get_args(EventName)
_Text = StatementText


class CustodyEvent(Group):
    """One event in the custody of the evidence that ``subject`` records."""

    subject: Annotated[DigestText, Member(Message("group-custody-subject"))]
    previous_event: Annotated[
        DigestText | None, Member(Message("group-custody-previous-event"))
    ] = None
    event: Annotated[EventName, Member(Message("group-custody-event"))]
    at: Annotated[TimeText, Member(Message("group-custody-at"))]
    place: Annotated[_Text | None, Member(Message("group-custody-place"))] = None
    handed_over_by: Annotated[
        _Text | None, Field(alias="from"), Member(Message("group-custody-from"))
    ] = None
    to: Annotated[_Text | None, Member(Message("group-custody-to"))] = None
    actor: Annotated[_Text, Member(Message("group-custody-actor"))]
    purpose: Annotated[_Text | None, Member(Message("group-custody-purpose"))] = None
    authority: Annotated[_Text | None, Member(Message("group-custody-authority"))] = None
    medium: Annotated[_Text | None, Member(Message("group-custody-medium"))] = None
    digest_before: Annotated[DigestText | None, Member(Message("group-custody-digest-before"))] = (
        None
    )
    digest_after: Annotated[DigestText | None, Member(Message("group-custody-digest-after"))] = None

    def encode(self) -> bytes:
        """Return the event's canonical bytes, which are the evidence of its record."""
        return encode_canonical(dump_group(self), subject=Message("group-custody"))

    def digests(self) -> Digests:
        """Return the digests that the event's record must hold."""
        return digest_bytes(self.encode(), (SHA256, SM3))


def name_event(subject: bytes) -> str:
    """Return the name of the records of events about the record with this SHA-256."""
    return f"custody-{subject.hex()}.json"
