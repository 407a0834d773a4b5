"""Looking a number up for whoever has one, at a limited rate by address."""

from __future__ import annotations

from fastapi import Request

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.types import Stage
from anchor.evidence.printed_number import read_number
from anchor.service.address_limits import COUNTED, limits_of, too_many
from anchor.service.client_address import client_of
from anchor.service.problems import RETRY_LATER, Problem
from anchor.service.worker import Service
from anchor.store.number_search import NumberedItem, find_numbered


def limit_guesses(request: Request) -> None:
    """Count a request with a usable key against the limit of its address, as the others are.

    Raises:
        Problem: Too much comes from this address (429).
    """
    if not request.scope.get(COUNTED):
        throttle = limits_of(request)
        seconds = throttle.anonymous.take(client_of(request.scope))
        if seconds:
            raise too_many(seconds)


async def look_up(service: Service, text: str, most: int) -> tuple[list[NumberedItem], bool]:
    """Return up to ``most`` things that have the number in ``text``, and whether there are more.

    Raises:
        Problem: Nothing has this number (404), or that cannot be told yet (503).
    """
    printed = read_number(text)
    chain_id = service.project.config.chain_id
    try:
        matches = await service.query(find_numbered, chain_id, printed, limit=most + 1)
    except CannotCheckError as error:
        raise Problem(503, error.message, headers=RETRY_LATER) from error
    if not matches:
        raise Problem(404, Message("number-unknown"))
    if any(match.stage is Stage.ANCHORED for match in matches):
        service.check_chain()
    return matches[:most], len(matches) > most
