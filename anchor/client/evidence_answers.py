"""A tenant's evidence in lists, and its copies, as the service tells them."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Any

from anchor.base.types import StageName
from anchor.client.answer_members import parse_object, read_each, read_member, read_stage
from anchor.client.status_retention import StatusRetention, read_retention


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEvidence:
    """A piece of evidence in a list; without its record ``number``, ``name`` and ``size`` are None.

    ``index`` is its place in the log, None until it is sealed.
    """

    id: str
    number: str | None
    name: str | None
    size: int | None
    accepted_at: str
    state: StageName
    index: int | None
    retention: StatusRetention | None


@dataclass(frozen=True, slots=True)
class PageOfEvidence:
    """A page of evidence, and the ``cursor`` of the next page, None after the last."""

    evidence: tuple[PageEvidence, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCopy:
    """A copy of an original: ``received`` of its ``length`` bytes have arrived.

    ``state`` is ``receiving``, ``checking``, ``waiting``, ``kept`` or ``refused``, and ``reason``
    why it was refused.
    """

    state: str
    length: int
    received: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLink:
    """A link to a case without its token: ``state`` says whether it is in force.

    ``opened`` counts views and downloads, the last at ``opened_at``.
    """

    id: str
    label: str
    state: str
    made_by: str
    made_at: str
    expires_at: str
    revoked_at: str | None
    opened: int
    opened_at: str | None


@dataclass(frozen=True, slots=True)
class MadeReviewLink:
    """A link that was made; ``link`` is its path with the token, which is not shown again."""

    link: str
    expires_at: str


def read_page(content: bytes) -> PageOfEvidence:
    """Parse a page of evidence."""
    members = parse_object(content)
    pieces = read_each(members, "evidence", _read_piece)
    return PageOfEvidence(tuple(pieces), read_member(members, "next", str, NoneType))


def read_erased_leaf(content: bytes) -> str:
    """Parse the answer to an erasure: the leaf that is left."""
    leaf: str = read_member(parse_object(content), "leaf", str)
    return leaf


def read_status_copy(content: bytes) -> StatusCopy | None:
    """Parse the copy in a status."""
    members = read_member(parse_object(content), "kept_copy", dict, NoneType)
    if members is None:
        return None
    return StatusCopy(
        state=read_member(members, "state", str),
        length=read_member(members, "length", int),
        received=read_member(members, "received", int),
        reason=read_member(members, "reason", str, NoneType),
    )


def read_links(content: bytes) -> list[ReviewLink]:
    """Parse the links to a case."""
    return read_each(parse_object(content), "links", _read_link)


def read_made_link(content: bytes) -> MadeReviewLink:
    """Parse a link that was made."""
    members = parse_object(content)
    return MadeReviewLink(
        read_member(members, "link", str), read_member(members, "expires_at", str)
    )


def _read_piece(members: dict[str, Any]) -> PageEvidence:
    return PageEvidence(
        id=read_member(members, "id", str),
        number=read_member(members, "number", str, NoneType),
        name=read_member(members, "name", str, NoneType),
        size=read_member(members, "size", int, NoneType),
        accepted_at=read_member(members, "accepted_at", str),
        state=read_stage(members),
        index=read_member(members, "index", int, NoneType),
        retention=read_retention(read_member(members, "retention", dict, NoneType)),
    )


def _read_link(members: dict[str, Any]) -> ReviewLink:
    return ReviewLink(
        id=read_member(members, "id", str),
        label=read_member(members, "label", str),
        state=read_member(members, "state", str),
        made_by=read_member(members, "made_by", str),
        made_at=read_member(members, "made_at", str),
        expires_at=read_member(members, "expires_at", str),
        revoked_at=read_member(members, "revoked_at", str, NoneType),
        opened=read_member(members, "opened", int),
        opened_at=read_member(members, "opened_at", str, NoneType),
    )
