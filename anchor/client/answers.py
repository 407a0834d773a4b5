"""Submissions to the service, and its parsed answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeVar

import httpx

from anchor.base.errors import AnchorError, CannotCheckError, MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.base.system.urls import redact_url
from anchor.base.types import StageName
from anchor.client.answer_members import parse_object, read_member, read_stage
from anchor.client.status_retention import StatusRetention, read_retention

_Value = TypeVar("_Value")

# HTTP statuses after which the same request may succeed.
PASSING = (408, 429, 502, 503, 504)
# The most characters of foreign text in an error message.
_MOST_SHOWN = 500
# Far more than 5,000 refused lines; a longer answer could exhaust memory.
_MOST_BYTES = 64 << 20

# Text that JSON writes without escapes.
_PLAIN_NAME = re.compile(r"[ !#-\[\]-~]*")
# The answer to a new piece, which needs no JSON parser.
_NEW = re.compile(
    rb'\{"line":([1-9][0-9]{0,8}),"id":"([0-9a-f]{64})","state":"accepted","known":false\}'
)
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Evidence to submit, by at least one digest, or as ``record``: the bytes of a complete record.

    A digest is 32 bytes, or 64 hex digits of either case.  ``groups`` document how the evidence was
    collected (``docs/record-groups.md``); the service validates them.
    """

    sha256: bytes | str | None = None
    sm3: bytes | str | None = None
    size: int | None = None
    name: str | None = None
    media_type: str | None = None
    record: bytes | None = None
    groups: Mapping[str, Any] | None = None

    def encode(self) -> bytes:
        """Return the submission in the JSON format of the service."""
        digest, name = self.sha256, self.name
        if (
            isinstance(digest, bytes)
            and (name is None or _PLAIN_NAME.fullmatch(name))
            and (self.sm3, self.size, self.media_type) == (None, None, None)
            and (self.record, self.groups) == (None, None)
        ):
            # Nearly all are such, and are encoded in half the time.
            named = "" if name is None else f',"name":"{name}"'
            return f'{{"sha256":"{digest.hex()}"{named}}}'.encode()
        members = {
            "sha256": _spell_digest(self.sha256),
            "name": self.name,
            "sm3": _spell_digest(self.sm3),
            "size": self.size,
            "media_type": self.media_type,
            "record": None if self.record is None else self.record.decode("utf-8"),
            "groups": self.groups,
        }
        given = {name: value for name, value in members.items() if value is not None}
        return _ENCODE(given).encode("utf-8")


def _spell_digest(digest: bytes | str | None) -> str | None:
    """Return a digest in hex; the service validates it and names the member at fault."""
    if digest is None:
        return None
    return digest.lower() if isinstance(digest, str) else digest.hex()


@dataclass(frozen=True, slots=True)
class Accepted:
    """Evidence that the service has on disk; ``known``: it was submitted before.

    ``number`` is its preservation number; None in answers to many submissions at once.  ``copies``
    is the number of servers that have it, if the service keeps more than one copy.
    """

    id: str
    state: StageName
    known: bool
    copies: int | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A submission that was not accepted: the reason, an HTTP status and the members at fault."""

    status: int
    detail: str
    errors: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StatusNotice:
    """What the log's operator states of evidence that is superseded or withdrawn.

    ``replacement`` is the SHA-256 of the record that supersedes its own; None if it was withdrawn.
    """

    kind: str
    replacement: str | None
    reason: str
    at: str
    actor: str


@dataclass(frozen=True, slots=True)
class Status:
    """The stage of a piece of evidence; ``index`` is its place in the log, None until sealed.

    ``number`` is its preservation number.  ``notice`` is None unless the evidence is superseded or
    withdrawn; ``notice_erased``: the record of a notice about it was erased or lost.  ``retention``
    is None without a date.
    """

    id: str
    state: StageName
    leaf: str
    index: int | None
    number: str | None
    notice: StatusNotice | None = None
    notice_erased: bool = False
    retention: StatusRetention | None = None


class AnswerBody:
    """A buffer for the body of an answer, of limited size."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._parts: list[bytes] = []
        self._room = _MOST_BYTES

    def add(self, part: bytes) -> None:
        """Add the next bytes, already decompressed."""
        self._room -= len(part)
        if self._room < 0:
            raise _not_ours(self._answer, Message("answer-too-long", limit=_MOST_BYTES >> 20))
        self._parts.append(part)

    def finish(self) -> httpx.Response:
        """Return the answer with its complete body."""
        answer = self._answer
        headers = answer.headers.copy()
        for told in ("Content-Encoding", "Content-Length", "Transfer-Encoding"):
            headers.pop(told, None)  # they describe the transfer; this body is decompressed
        return httpx.Response(
            answer.status_code,
            headers=headers,
            content=b"".join(self._parts),
            request=answer.request,
            extensions={"reason_phrase": answer.reason_phrase.encode("ascii", "ignore")},
        )


def explain(answer: httpx.Response) -> AnchorError:
    """Return the error that corresponds to an answer with an error status."""
    try:
        problem = _read_problem(parse_object(answer.content))
    except MalformedError:
        problem = Refused(answer.status_code, answer.reason_phrase, ())
    fields = "".join(f"; {pointer}: {message}" for pointer, message in problem.errors)
    told = f"{problem.detail}{fields}"[:_MOST_SHOWN]
    text = Message("service-error-answer", status=answer.status_code, detail=told)
    if answer.is_server_error or answer.status_code in PASSING:
        return CannotCheckError(text)
    return UsageError(text)


def read_answer(answer: httpx.Response, reader: Callable[[bytes], _Value]) -> _Value:
    """Return the answer as parsed by ``reader``."""
    try:
        return reader(answer.content)
    except MalformedError as error:
        raise _not_ours(answer, error.message) from None


def read_accepted(content: bytes) -> Accepted:
    """Parse the answer to a submission."""
    return _read_accepted(parse_object(content))


def read_status(content: bytes) -> Status:
    """Parse the status of a piece of evidence."""
    members = parse_object(content)
    return Status(
        id=read_member(members, "id", str),
        state=read_stage(members),
        leaf=read_member(members, "leaf", str),
        index=read_member(members, "index", int, NoneType),
        number=read_member(members, "number", str, NoneType),
        notice=_read_notice(read_member(members, "notice", dict, NoneType)),
        notice_erased=read_member(members, "notice_erased", bool, NoneType) is True,
        retention=read_retention(read_member(members, "retention", dict, NoneType)),
    )


def _read_notice(members: dict[str, Any] | None) -> StatusNotice | None:
    if members is None:
        return None
    return StatusNotice(
        kind=read_member(members, "kind", str),
        replacement=read_member(members, "replacement", str, NoneType),
        reason=read_member(members, "reason", str),
        at=read_member(members, "at", str),
        actor=read_member(members, "actor", str),
    )


def read_receipt(content: bytes) -> bytes:
    """Return a receipt's bytes unchanged, without verifying the receipt."""
    if not read_member(parse_object(content), "format", str).startswith("anchor-receipt/"):
        raise MalformedError(Message("answer-not-receipt"))
    return content


def read_answers(content: bytes, count: int) -> dict[int, Accepted | Refused]:
    """Parse the answers to a bulk request of ``count`` lines, by number from 1, as far as given."""
    answers: dict[int, Accepted | Refused] = {}
    for line in content.splitlines():
        match = _NEW.fullmatch(line)
        if match is not None:
            number = int(match[1])
            answer: Accepted | Refused = Accepted(match[2].decode(), "accepted", known=False)
        else:
            members = parse_object(line)
            if "line" not in members:
                continue  # the final count, or the reason why the service stopped
            number = read_member(members, "line", int)
            answer = (
                _read_accepted(members)
                if "id" in members
                else _read_problem(read_member(members, "problem", dict))
            )
        if not 1 <= number <= count:
            raise MalformedError(Message("answer-line-not-sent"))
        if number in answers:
            raise MalformedError(Message("answer-line-repeated"))
        answers[number] = answer
    return answers


def _not_ours(answer: httpx.Response, why: Message) -> MalformedError:
    request, media_type = answer.request, answer.headers.get("Content-Type")
    return MalformedError(
        Message(
            "answer-not-from-service",
            url=redact_url(str(request.url)),
            method=request.method,
            status=answer.status_code,
            media_type=Message("answer-without-media-type")
            if media_type is None
            else ascii(media_type[:_MOST_SHOWN]),
            reason=why,
        ),
        hint=Message("answer-not-from-service-hint"),
    )


def _read_accepted(members: dict[str, Any]) -> Accepted:
    return Accepted(
        id=read_member(members, "id", str),
        state=read_stage(members),
        known=read_member(members, "known", bool),
        copies=read_member(members, "copies", int, NoneType),
        number=read_member(members, "number", str, NoneType),
    )


def _read_problem(members: dict[str, Any]) -> Refused:
    faults = read_member(members, "errors", list, NoneType) or []
    if not all(isinstance(fault, dict) for fault in faults):
        raise MalformedError(Message("answer-errors-malformed"))
    return Refused(
        status=read_member(members, "status", int),
        detail=read_member(members, "detail", str),
        errors=tuple(
            (read_member(fault, "pointer", str), read_member(fault, "message", str))
            for fault in faults
        ),
    )
