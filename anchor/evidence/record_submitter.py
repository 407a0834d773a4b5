"""A record's ``submitter``: the account and the person or key that a service accepted it from.

The member is ``{"account": NAME, "actor": "person:ID"}``; ``docs/spec/record.md`` is the
specification.  Names of persons are not in it: whoever runs the service knows them by the id.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from anchor.canonical import JsonValue
from anchor.messages.message import Message

MEMBER = "submitter"
_MEMBERS = {"account", "actor"}
_TEXT = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSubmitter:
    """The account at the service, and who submitted for it: ``person:1f…`` or ``key:…``."""

    account: str
    actor: str

    def members(self) -> dict[str, JsonValue]:
        """Return the member's value."""
        return {"account": self.account, "actor": self.actor}


def read_submitter(encoded: bytes) -> RecordSubmitter | None:
    """Return the submitter in the bytes of a record that ``parse_record`` has accepted.

    None if the record names none, or in another form, which is valid all the same.
    """
    value = json.loads(encoded).get(MEMBER)
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        return None
    account, actor = value["account"], value["actor"]
    for text in (account, actor):
        if not isinstance(text, str) or not _TEXT.fullmatch(text):
            return None
    return RecordSubmitter(account=account, actor=actor)


def describe_speaker(submitter: RecordSubmitter | None, name: str | None = None) -> Message:
    """Return whose statements a record holds; ``name`` is the submitter's, as far as known."""
    if submitter is None:
        return Message("statements-open")
    account, actor = submitter.account, submitter.actor
    if name is None:
        return Message("statements-of-submitter", account=account, who=actor)
    return Message("statements-of-registered-submitter", account=account, actor=actor, name=name)
