"""What is submitted to the service, and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from anchor.errors import AnchorError, CannotCheckError, MalformedError, UsageError
from anchor.types import StageName

# Statuses after which the same request may well be answered.
PASSING = (408, 429, 502, 503, 504)

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Evidence by its digests, at least one; or ``record``: the bytes of one's own.

    A digest is 32 bytes, or 64 hex digits of either case.
    """

    sha256: bytes | str | None = None
    sm3: bytes | str | None = None
    size: int | None = None
    name: str | None = None
    media_type: str | None = None
    record: bytes | None = None

    def encode(self) -> bytes:
        """Return the submission as the service reads it."""
        members = {
            "sha256": _spell_digest(self.sha256),
            "name": self.name,
            "sm3": _spell_digest(self.sm3),
            "size": self.size,
            "media_type": self.media_type,
            "record": None if self.record is None else self.record.decode("utf-8"),
        }
        given = {name: value for name, value in members.items() if value is not None}
        return _ENCODE(given).encode("utf-8")


def _spell_digest(digest: bytes | str | None) -> str | None:
    """Return a digest in hex; what it is not, the service refuses, and names the member."""
    if digest is None:
        return None
    return digest.lower() if isinstance(digest, str) else digest.hex()


@dataclass(frozen=True, slots=True)
class Accepted:
    """Evidence that the service has on disk; ``known``: it had before.

    ``copies`` is on how many servers, where the service keeps more than one copy.
    """

    id: str
    state: StageName
    known: bool
    copies: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A submission that was not taken in: why, with an HTTP status and the members at fault."""

    status: int
    detail: str
    errors: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Status:
    """How far evidence has come; ``index`` is its place in the log, None while it is not sealed."""

    id: str
    state: StageName
    leaf: str
    index: int | None


def explain(answer: httpx.Response) -> AnchorError:
    """Return the error that an answer is."""
    try:
        problem = read_problem(members_of(answer))
    except MalformedError:
        problem = Refused(answer.status_code, answer.reason_phrase, ())
    fields = "".join(f"; {pointer}: {message}" for pointer, message in problem.errors)
    text = f"the service answers {answer.status_code}: {problem.detail}{fields}"
    if answer.is_server_error or answer.status_code in PASSING:
        return CannotCheckError(text)
    return UsageError(text)


def members_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the object that an answer is."""
    try:
        members = answer.json()
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise MalformedError("the service's answer is not a JSON object")
    return members


def read_accepted(members: dict[str, Any]) -> Accepted:
    """Return what became of a submission."""
    try:
        known, copies = members["known"], members.get("copies")
        return Accepted(members["id"], members["state"], known, copies)
    except KeyError as error:
        raise MalformedError(f"the service's answer has no member {error}") from None


def read_status(members: dict[str, Any]) -> Status:
    """Return how far evidence has come."""
    try:
        return Status(members["id"], members["state"], members["leaf"], members["index"])
    except KeyError as error:
        raise MalformedError(f"the service's answer has no member {error}") from None


def read_problem(members: dict[str, Any]) -> Refused:
    """Return why something was refused."""
    try:
        errors = tuple((fault["pointer"], fault["message"]) for fault in members.get("errors", ()))
        return Refused(members["status"], members["detail"], errors)
    except (KeyError, TypeError) as error:
        raise MalformedError(f"the service's answer is no problem: {error}") from None


def read_answers(data: bytes) -> list[Accepted | Refused]:
    """Return what became of each line, as far as it was answered."""
    try:
        answers = json.loads(b"[%b]" % b",".join(data.splitlines()))
    except ValueError:
        raise MalformedError("the service's answer is no list of JSON lines") from None
    return [
        read_accepted(members) if "id" in members else read_problem(members["problem"])
        for members in answers
        if "line" in members
    ]
