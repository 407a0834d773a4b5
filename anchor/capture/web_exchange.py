"""One HTTP request and its response, as a browser reported them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from anchor.base.messages.message import Message

Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebResponse:
    """A response; ``body`` has no content or transfer coding, and is None if it is not captured.

    ``address`` and ``port`` are the server's as the browser saw them, empty and 0 if unknown.
    """

    status: int
    reason: str
    protocol: str
    headers: Headers
    address: str
    port: int
    mime_type: str
    is_secure: bool
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebExchange:
    """A request and its response; of a redirect, each hop is an exchange of its own.

    ``started_at`` is in Unix seconds.  ``is_as_sent`` says whether the headers are those on the
    wire; otherwise they are those that the page asked for.
    """

    url: str
    method: str
    kind: str
    started_at: float
    seconds: float
    headers: Headers
    is_as_sent: bool
    body: bytes | None
    response: WebResponse | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncaptured:
    """Something that the capture does not hold, and why."""

    subject: str
    reason: Message
