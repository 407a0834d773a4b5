"""How far a copy of an original is, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anchor.base.messages.message import Message
from anchor.keeping.upload_rules import RefusalReason
from anchor.service.schemas import KeptCopyDocument

_REASONS: Final[Mapping[RefusalReason, Message]] = {
    "other-bytes": Message("copy-refused-other-bytes"),
    "infected": Message("copy-refused-infected"),
    "damaged": Message("copy-refused-damaged"),
}


def describe_copy_state(copy: KeptCopyDocument) -> Message:
    """Return how far a copy is."""
    if copy.reason is not None:
        return _REASONS[copy.reason]
    if copy.state == "receiving":
        percent = 100 * copy.received // max(1, copy.length)
        return Message("copy-state-receiving", percent=percent)
    if copy.state == "checking":
        return Message("copy-state-checking")
    if copy.state == "waiting":
        return Message("copy-state-waiting")
    return Message("copy-state-kept")
