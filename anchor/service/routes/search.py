"""``GET /v1/search``: the tenant's evidence, cases and certificates by name, number and date."""

from __future__ import annotations

from fastapi import APIRouter

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.evidence.search_query import parse_query
from anchor.service.auth import Reader
from anchor.service.pagination import CurrentPage
from anchor.service.problems import FieldError, Problem
from anchor.service.schemas import problems
from anchor.service.search_schemas import (
    BeforePiece,
    QueryText,
    SearchDocument,
    SearchLimit,
    describe_matches,
)
from anchor.service.tenant_searches import search
from anchor.service.worker import CurrentService

router = APIRouter(tags=["search"])


@router.get(
    "/v1/search",
    summary="What a name, number or date leads to",
    responses=problems(401, 403, 404, 422, 429),
)
async def find(
    q: QueryText,
    caller: Reader,
    service: CurrentService,
    links: CurrentPage,
    before: BeforePiece = None,
    limit: SearchLimit = 50,
) -> SearchDocument:
    """Find evidence by any part of its name, by any number or digest, and by the day it came.

    Several words are all in the name; one of them may be a day or month (`2026-01-31`, `2026-01`).
    Cases that the caller sees are found by number, title, authority and parties, certificates by
    their number.
    """
    try:
        query = parse_query(q)
    except MalformedError as error:
        fault = FieldError("q", error.message)
        raise Problem(422, Message("request-parameter-invalid"), errors=[fault]) from error
    matches = await search(service, caller, query, limit, before)
    links.name_next("before", matches.next)
    return await describe_matches(service, matches)
