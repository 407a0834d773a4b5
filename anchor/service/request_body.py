"""Request bodies, read within bounds of size and time."""

from __future__ import annotations

import asyncio
from functools import reduce

from fastapi import Request

from anchor.base.messages.message import Message
from anchor.service.problems import CLOSE, Problem
from anchor.service.settings import Settings


def check_media_type(request: Request, *allowed: str) -> None:
    """Check that the media type of ``Content-Type`` is one of the allowed ones."""
    stated = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if stated not in allowed:
        raise Problem(
            415, Message("request-body-type-wrong", types=reduce(_either, allowed)), headers=CLOSE
        )


def _either(first: str, last: str) -> str:
    return Message("choice-or", first=first, last=last)


def check_length(request: Request, most: int) -> None:
    """Check that ``Content-Length``, if present, is at most ``most`` bytes."""
    stated = request.headers.get("Content-Length", "0")
    if not stated.isascii() or not stated.isdigit() or len(stated) > 18 or int(stated) > most:
        raise too_long(most)


def too_long(most: int) -> Problem:
    """Return the answer to a body of more than ``most`` bytes (413)."""
    return Problem(413, Message("request-body-too-long", limit=most), headers=CLOSE)


async def read_body(request: Request, settings: Settings) -> bytes:
    """Return a whole body.

    Raises:
        Problem: The body is too long (413), or takes too long to arrive (408).
    """
    most = settings.max_body
    check_length(request, most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_long(most)
                parts.append(part)
    except TimeoutError:
        raise too_slow() from None
    return b"".join(parts)


def too_slow() -> Problem:
    """Return the answer to a body that takes too long to arrive (408)."""
    return Problem(408, Message("request-body-too-slow"), headers=CLOSE)
