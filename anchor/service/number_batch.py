"""Looking a list of numbers up: each counts like a look-up of its own, and has its own answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from anchor.base.errors import CannotCheckError, MalformedError
from anchor.base.messages.message import Message
from anchor.base.types import Stage
from anchor.evidence.printed_number import PrintedNumber, read_number
from anchor.service.address_limits import limits_of
from anchor.service.client_address import client_of
from anchor.service.problems import CLOSE, RETRY_LATER, Problem
from anchor.service.worker import Service
from anchor.store.number_search import NumberedItem, find_all_numbered

MOST_MATCHES = 5
"""The most matches of each number: one digest may be that of any number of pieces."""

# Of a number in any spelling; longer lines are no number.
_MOST_CHARACTERS = 200
# Numbers that are looked up in one go: other requests are answered in between.
_CHUNK = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRow:
    """A line of a list: the number as it was typed, what has it, or why it is no number.

    ``more`` is whether it has more matches than are listed.
    """

    line: int
    text: str
    matches: tuple[NumberedItem, ...] = ()
    more: bool = False
    fault: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberBatch:
    """The answers to a list, in its order, and how many more numbers the address may look up."""

    rows: tuple[NumberRow, ...]
    left: int | None


async def look_up_all(request: Request, service: Service, texts: Sequence[str]) -> NumberBatch:
    """Return what has each of these numbers; a line that is no number is answered in its place.

    Raises:
        Problem: So many numbers exceed the limit of the request's address (429), or that cannot be
            told yet (503).
    """
    printed = [_read(text) for text in texts]
    asked = list(dict.fromkeys(number for number in printed if isinstance(number, PrintedNumber)))
    # The request itself was counted as one look-up.
    left = _limit(request, max(0, len(asked) - 1))
    answers: dict[PrintedNumber, list[NumberedItem]] = {}
    chain_id = service.project.config.chain_id
    try:
        for start in range(0, len(asked), _CHUNK):
            chunk = asked[start : start + _CHUNK]
            answers |= await service.query(
                find_all_numbered, chain_id, chunk, limit=MOST_MATCHES + 1
            )
    except CannotCheckError as error:
        raise Problem(503, error.message, headers=RETRY_LATER) from error
    if any(each.stage is Stage.ANCHORED for matches in answers.values() for each in matches):
        service.check_chain()
    rows = []
    for line, (text, number) in enumerate(zip(texts, printed, strict=True), start=1):
        shown = text[:_MOST_CHARACTERS]
        if isinstance(number, Message):
            rows.append(NumberRow(line=line, text=shown, fault=number))
            continue
        matches = answers[number]
        rows.append(
            NumberRow(
                line=line,
                text=shown,
                matches=tuple(matches[:MOST_MATCHES]),
                more=len(matches) > MOST_MATCHES,
            )
        )
    return NumberBatch(rows=tuple(rows), left=left)


def _read(text: str) -> PrintedNumber | Message:
    """Return a line's number, or why it is none."""
    if len(text) > _MOST_CHARACTERS:
        return Message("number-unreadable")
    try:
        return read_number(text)
    except MalformedError as error:
        return error.message


def _limit(request: Request, count: int) -> int | None:
    """Count numbers against the limit of the request's address, and return what is left of it.

    Raises:
        Problem: The address may not look so many up at the moment (429), or never at once (422).
    """
    throttle = limits_of(request)
    address, buckets = client_of(request.scope), throttle.anonymous
    if buckets.is_too_many(count + 1):
        raise Problem(422, Message("batch-over-burst", limit=buckets.burst))
    seconds = buckets.take(address, count)
    left = buckets.count_left(address)
    if seconds:
        headers = {"Retry-After": str(math.ceil(seconds))} | CLOSE
        detail = Message("batch-over-limit", count=count + 1, left=left, seconds=math.ceil(seconds))
        raise Problem(429, detail, headers=headers)
    return left
