"""Notices: records in the log by which its operator supersedes or withdraws another record.

The evidence of such a record is the notice itself: the canonical JSON of the record's ``notice``
member, whose digests the record holds.  All of it is stated by the operator.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from anchor.base.canonical import encode_canonical
from anchor.base.digests import SHA256, SM3, Digests, digest_bytes
from anchor.base.messages.message import Message
from anchor.evidence.group_members import Group, Member, dump_group
from anchor.evidence.record import parse_record
from anchor.evidence.statement_text import MAX_CHARACTERS, DigestText, StatementText, TimeText

NoticeKind = Literal["supersedes", "withdraws"]
SUPERSEDES: NoticeKind = "supersedes"
WITHDRAWS: NoticeKind = "withdraws"
KINDS: tuple[NoticeKind, ...] = (SUPERSEDES, WITHDRAWS)
ORIGIN = "notice:"
"""How the source of a notice's evidence begins."""

# Every verifier reads notices by these three forms, which depend on no version of Unicode: no
# control characters, no characters without width or that change the direction of text.
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_TEXT = re.compile(
    "[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
    f"{{1,{MAX_CHARACTERS}}}"
)


class NoticeStatement(Group):
    """A notice that the log's operator withdraws the record ``subject``, or replaces it."""

    subject: Annotated[DigestText, Member(Message("group-notice-subject"))]
    replacement: Annotated[DigestText | None, Member(Message("group-notice-replacement"))] = None
    reason: Annotated[StatementText, Member(Message("group-notice-reason"))]
    at: Annotated[TimeText, Member(Message("group-notice-at"))]
    actor: Annotated[StatementText, Member(Message("group-notice-actor"))]

    @property
    def kind(self) -> NoticeKind:
        """Return the kind of the records that hold such a notice."""
        return WITHDRAWS if self.replacement is None else SUPERSEDES

    def digests(self) -> Digests:
        """Return the digests that the notice's record must hold."""
        return _digest(dump_group(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordNotice:
    """A notice as read from a record, whose SHA-256 is ``record``.

    ``subject`` is the SHA-256 of the record that it is about, ``replacement`` that of the record
    that supersedes it, None if it is withdrawn.  ``digests`` are those that the notice's record
    must hold.
    """

    record: bytes
    kind: NoticeKind
    subject: bytes
    replacement: bytes | None
    reason: str
    at: str
    actor: str
    digests: Digests


def read_notice(encoded: bytes) -> RecordNotice | None:
    """Return the notice in the bytes of a record; None if it holds none."""
    parse_record(encoded)
    value: dict[str, Any] = json.loads(encoded)
    kind, members = value.get("kind"), value.get("notice")
    if kind not in KINDS or not isinstance(members, dict):
        return None
    forms = {"subject": _HEX, "reason": _TEXT, "at": _TIME, "actor": _TEXT}
    if kind == SUPERSEDES:
        forms["replacement"] = _HEX
    elif "replacement" in members:
        return None
    for name, form in forms.items():
        text = members.get(name)
        if not isinstance(text, str) or not form.fullmatch(text):
            return None
    replacement = members.get("replacement")
    return RecordNotice(
        record=hashlib.sha256(encoded).digest(),
        kind=kind,
        subject=bytes.fromhex(members["subject"]),
        replacement=None if replacement is None else bytes.fromhex(replacement),
        reason=members["reason"],
        at=members["at"],
        actor=members["actor"],
        digests=_digest(members),
    )


def _digest(members: dict[str, Any]) -> Digests:
    encoded = encode_canonical(members, subject=Message("group-notice"))
    return digest_bytes(encoded, (SHA256, SM3))


def name_notice(subject: bytes) -> str:
    """Return the name of the record of a notice about the record with this SHA-256."""
    return f"notice-{subject.hex()}.json"
