"""The audit trail: who signed in or was refused, from where, by which key. Never a secret.

Each event is a line of JSON to the log ``anchor.audit``, which goes to standard error also with
``--quiet``.  What commands do to keys is in a file of the project (``operate.key_audit_trail``).
"""

from __future__ import annotations

import json
import logging
import re

from anchor.service.client_address import client_of
from anchor.service.header_protection import Message

_LOG = logging.getLogger("anchor.audit")
# The id in front of a key's secret: 12 hex digits, shown by `anchor api-key list`.
_ID = re.compile(r"anchor_([0-9a-f]{12})_")


def note_event(scope: Message, event: str, **members: str | None) -> None:
    """Write an event with the address of who asks."""
    document = {"event": event, "client": client_of(scope), **members}
    _LOG.info(json.dumps(document, ensure_ascii=True, separators=(",", ":")))


def claimed_id(token: str) -> str | None:
    """Return the id that a token begins with, without its secret; None where it is no key."""
    match = _ID.match(token)
    return None if match is None else match[1]
