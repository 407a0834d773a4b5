"""What a look-up by number found, as the service tells it."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Any

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import StageName
from anchor.client.answer_members import parse_object, read_member, read_stage


@dataclass(frozen=True, slots=True)
class NumberMatch:
    """What has a number: ``kind`` is what the number is of, as docs/preservation-number.md lists.

    The times are in UTC (RFC 3339), by the operator's clock; ``timestamp`` is that of the anchor's
    block, in Unix seconds, and None as long as there is no anchor.  ``issued_at``, ``revoked_at``
    and ``revocation``, the reason, are those of the certificate that bears the number.
    """

    kind: str
    state: StageName
    erased: bool
    accepted_at: str | None
    sealed_at: str | None
    block_number: int | None
    timestamp: int | None
    issued_at: str | None = None
    revoked_at: str | None = None
    revocation: str | None = None


def read_matches(content: bytes) -> list[NumberMatch]:
    """Parse what a look-up found."""
    matches = read_member(parse_object(content), "matches", list)
    if not all(isinstance(match, dict) for match in matches):
        raise MalformedError(Message("answer-member-invalid", name="matches"))
    return list(map(_read_match, matches))


def _read_match(members: dict[str, Any]) -> NumberMatch:
    anchor = read_member(members, "anchor", dict, NoneType) or {}
    kinds = (int,) if anchor else (NoneType,)
    certificate = read_member(members, "certificate", dict, NoneType) or {}
    revocation = read_member(certificate, "revocation", dict, NoneType) or {}
    return NumberMatch(
        kind=read_member(members, "kind", str),
        state=read_stage(members),
        erased=read_member(members, "erased", bool),
        accepted_at=read_member(members, "accepted_at", str, NoneType),
        sealed_at=read_member(members, "sealed_at", str, NoneType),
        block_number=read_member(anchor, "block_number", *kinds),
        timestamp=read_member(anchor, "timestamp", *kinds),
        issued_at=read_member(certificate, "issued_at", str, NoneType),
        revoked_at=read_member(revocation, "at", str, NoneType),
        revocation=read_member(revocation, "reason", str, NoneType),
    )
