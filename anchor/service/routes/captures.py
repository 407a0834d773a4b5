"""``/v1/captures``: ordering captures of web pages, and following them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from anchor.service.auth import Reader, Submitter
from anchor.service.capture_orders import find_own_capture, need_captures, order_page
from anchor.service.capture_schemas import (
    CaptureDocument,
    CaptureId,
    CaptureList,
    CaptureRequest,
    describe_ordered,
)
from anchor.service.pagination import CurrentPage
from anchor.service.people_schemas import describe_body, read_document
from anchor.service.schemas import IdempotencyKey, problems
from anchor.service.worker import CurrentService
from anchor.store.captures import load_captures

router = APIRouter(tags=["captures"])


@router.post(
    "/v1/captures",
    summary="Order the capture of a web page",
    status_code=202,
    responses={
        202: {"description": "It waits for the worker; follow it by its id."},
        **problems(401, 403, 404, 408, 413, 422, 429),
    },
    openapi_extra=describe_body(CaptureRequest),
)
async def order(
    request: Request,
    caller: Submitter,
    service: CurrentService,
    idempotency_key: IdempotencyKey = None,
) -> CaptureDocument:
    """Order a capture: the operator's worker fetches a page as a stranger, and its bag is recorded.

    Nobody is signed in there. Addresses inside a network are refused. An order is repeated safely
    with an `Idempotency-Key`.
    """
    need_captures(service)
    asked = await read_document(request, service, CaptureRequest)
    return describe_ordered(await order_page(service, caller, asked, idempotency_key))


@router.get(
    "/v1/captures",
    summary="The tenant's captures, newest first",
    responses=problems(401, 403, 404, 422),
)
async def ordered(
    caller: Reader,
    service: CurrentService,
    links: CurrentPage,
    before: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{32}$", description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> CaptureList:
    """Return a page of captures, whatever became of them."""
    need_captures(service)
    rows = await service.query(load_captures, caller.tenant, limit, before)
    following = rows[-1].id if len(rows) == limit else None
    links.name_next("before", following)
    return CaptureList(captures=list(map(describe_ordered, rows)), next=following)


@router.get(
    "/v1/captures/{capture}",
    summary="The state of a capture",
    responses=problems(401, 403, 404, 422),
)
async def state(capture: CaptureId, caller: Reader, service: CurrentService) -> CaptureDocument:
    """Return whether it is recorded, as which evidence, and what it lacks."""
    need_captures(service)
    return describe_ordered(await find_own_capture(service, caller, capture))
