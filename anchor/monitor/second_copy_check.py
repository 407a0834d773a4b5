"""The check of ``anchor doctor`` for a second copy of the store: the standbys of its server."""

from __future__ import annotations

from anchor.base.errors import CopyMissingError
from anchor.base.messages.message import Message, join
from anchor.store.database import Database
from anchor.store.replication import Copies, is_counted


def check_second_copy(database: Database) -> tuple[Message, Message | None]:
    """Return how many servers hold the store, and what the operator might improve, if anything."""
    seen = database.read_copies()
    if seen is None:
        return Message("copies-single-server"), None
    if not seen.is_enough:
        raise CopyMissingError(
            Message(
                "copies-too-few",
                count=seen.count,
                needed=seen.rule.copies,
                standbys=seen.format_standbys(),
            ),
            hint=_explain(seen),
        )
    text = Message(
        "copies-enough", count=seen.count, needed=seen.rule.copies, standbys=seen.format_standbys()
    )
    notes = _list_notes(seen)
    return text, join(notes, by="semicolon") if notes else None


def _explain(seen: Copies) -> Message:
    if not seen.standbys:
        return Message("copies-no-standby-hint")
    if not seen.rule.standbys and not seen.waited_for:
        return Message("copies-standby-uncounted-hint")
    return Message("copies-standby-slow-hint")


def _list_notes(seen: Copies) -> list[Message]:
    counting = [standby for standby in seen.standbys if is_counted(seen.rule, standby)]
    notes = []
    if all(standby.is_near for standby in counting):
        notes.append(Message("copies-standby-near"))
    if "*" in seen.waited_for and not seen.rule.standbys:
        notes.append(Message("copies-standby-unnamed"))
    if len(counting) >= seen.rule.copies:
        notes.append(Message("copies-standbys-surplus"))
    return notes
