"""A record's ``submitter``: the account and the person or key that a service accepted it from.

The member is ``{"account": NAME, "actor": "person:ID"}``; ``docs/spec/record.md`` is the
specification.  Names of persons are not in it: whoever runs the service knows them by the id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from anchor.base.canonical import JsonValue
from anchor.base.messages.message import Message

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyLine:
    """A line that names a party: from the record, as registered with a service, or a remark."""

    text: str
    origin: Literal["record", "registration", "remark"]


def list_depositor_lines(
    recorded: RecordSubmitter | None, account: str | None
) -> Sequence[PartyLine]:
    """Return the lines that name the depositor; none if nothing is known.

    ``account`` is what the service or the issuer names.
    """
    own = None if recorded is None else recorded.account
    lines = []
    if account is not None and account != own:
        lines.append(PartyLine(text=account, origin="registration"))
    if own is not None:
        lines.append(PartyLine(text=own, origin="record"))
    return lines


def list_submitter_lines(
    recorded: RecordSubmitter | None,
    actor: str | None,
    name: str | None,
    spell: Callable[[str], str] = str,
) -> Sequence[PartyLine]:
    """Return the lines that name who submitted the evidence; none if nothing is known.

    ``actor`` is the id at the service and ``name`` what is registered for it, which counts for
    that id alone; ``spell`` makes a name safe to show.
    """
    if recorded is None and actor is None and name is None:
        return []
    lines = []
    if recorded is not None:
        lines.append(PartyLine(text=recorded.actor, origin="record"))
    elif actor is not None:
        lines.append(PartyLine(text=actor, origin="registration"))
    if name is not None and (recorded is None or recorded.actor == actor):
        registered = Message("certificate-name-registered", name=spell(name))
        lines.append(PartyLine(text=registered, origin="registration"))
    lines.append(PartyLine(text=Message("certificate-names-registered"), origin="remark"))
    return lines


def describe_speaker(submitter: RecordSubmitter | None, name: str | None = None) -> Message:
    """Return whose statements a record holds; ``name`` is the submitter's, as far as known."""
    if submitter is None:
        return Message("statements-open")
    account, actor = submitter.account, submitter.actor
    if name is None:
        return Message("statements-of-submitter", account=account, who=actor)
    return Message("statements-of-registered-submitter", account=account, actor=actor, name=name)
