"""``GET /v1/lookup/{number}``: what has a number, for whoever has one; no key is needed."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request

from anchor.errors import CannotCheckError
from anchor.evidence.printed_number import read_number
from anchor.messages.message import Message
from anchor.service.address_limits import AddressLimits, too_many
from anchor.service.client_address import client_of
from anchor.service.evidence_status import describe_anchor
from anchor.service.problems import RETRY_LATER, Problem
from anchor.service.schemas import NumberInPath, NumberMatchDocument, NumberMatches, problems
from anchor.service.worker import CurrentService
from anchor.store.number_search import NumberedItem, find_numbered

router = APIRouter(tags=["public look-up"])

# Far more than records that have one number; one digest may be that of any number of pieces.
_MOST = 100


def limit_guesses(request: Request) -> None:
    """Count a request with a key against the limit of its address, as those without one are.

    Raises:
        Problem: Too much comes from this address (429).
    """
    if "authorization" in request.headers:
        throttle: AddressLimits = request.scope["state"]["throttle"]
        seconds = throttle.anonymous.take(client_of(request.scope))
        if seconds:
            raise too_many(seconds)


@router.get(
    "/v1/lookup/{number}",
    summary="What has a number that is printed on a receipt or certificate",
    responses=problems(404, 422),
    dependencies=[Depends(limit_guesses)],
)
async def lookup(number: NumberInPath, service: CurrentService) -> NumberMatches:
    """Return state, times and anchor of everything with this number, never a name or a digest.

    Whatever has no match gets the same answer (404). That a copy of the log served by its operator
    says so proves nothing by itself: verify the receipt.
    """
    printed = read_number(number)
    chain_id = service.project.config.chain_id
    try:
        matches = await service.query(find_numbered, chain_id, printed, limit=_MOST + 1)
    except CannotCheckError as error:
        raise Problem(503, error.message, headers=RETRY_LATER) from error
    if not matches:
        raise Problem(404, Message("number-unknown"))
    if any(match.anchored is not None and match.anchored.final for match in matches):
        service.check_chain()
    return NumberMatches(matches=list(map(_describe, matches[:_MOST])), more=len(matches) > _MOST)


def _describe(match: NumberedItem) -> NumberMatchDocument:
    anchored = match.anchored
    return NumberMatchDocument(
        kind=match.kind.value,
        state=match.stage.value,
        erased=match.is_erased,
        accepted_at=match.accepted_at,
        sealed_at=match.sealed_at,
        anchor=None if anchored is None else describe_anchor(anchored),
    )
