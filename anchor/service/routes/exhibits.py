"""``/v1/cases/{case}/exhibits``: evidence in a case, in the order in which it is presented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from anchor.base.errors import UsageError
from anchor.base.system.clock import utc_now
from anchor.people.case_rules import EXHIBIT_TEXTS
from anchor.people.plain_text import clean_text, find_text_faults
from anchor.service.auth import StatusReader, Submitter
from anchor.service.case_access import (
    change_visible_case,
    find_named_evidence,
    find_visible_case,
    need_exhibit,
)
from anchor.service.case_schemas import (
    CaseInPath,
    ExhibitChange,
    ExhibitDocument,
    ExhibitInPath,
    ExhibitRequest,
    ExhibitsDocument,
    describe_exhibit,
    refuse_texts,
)
from anchor.service.people_schemas import describe_body, read_document
from anchor.service.problems import Problem
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService
from anchor.store.case_exhibits import (
    ExhibitFields,
    ExhibitRow,
    add_exhibit,
    change_exhibit,
    load_exhibit_pieces,
    remove_exhibit,
)
from anchor.store.cases import CaseRow

router = APIRouter(tags=["cases"])


@router.get(
    "/v1/cases/{case}/exhibits",
    summary="The exhibits of a case",
    responses=problems(401, 403, 404, 422),
)
async def list_exhibits(
    case: CaseInPath, caller: StatusReader, service: CurrentService
) -> ExhibitsDocument:
    """List all exhibits, in order."""
    row = await find_visible_case(service, caller, case)
    pairs = await service.query(load_exhibit_pieces, row.id)
    return ExhibitsDocument(exhibits=[describe_exhibit(*pair) for pair in pairs])


@router.post(
    "/v1/cases/{case}/exhibits",
    summary="Add an exhibit to a case",
    status_code=201,
    responses={
        200: {"description": "It was added before, with the same words.", "model": ExhibitDocument},
        **problems(401, 403, 404, 408, 409, 413, 422, 503),
    },
    openapi_extra=describe_body(ExhibitRequest),
)
async def add(
    case: CaseInPath, request: Request, response: Response, caller: Submitter,
    service: CurrentService,
) -> ExhibitDocument:  # fmt: skip
    """Add a piece of the tenant's evidence at the end; a piece is one exhibit of a case (409)."""
    await find_visible_case(service, caller, case)
    asked = await read_document(request, service, ExhibitRequest)
    entered = ExhibitFields(
        label=clean_text(asked.label),
        purpose=clean_text(asked.purpose),
        note=clean_text(asked.note),
    )
    _check_words(entered)
    try:
        piece = await find_named_evidence(service, caller, asked.evidence)
    except UsageError as error:
        refuse_texts({"evidence": error.message})
        raise
    at = utc_now()

    def work(connection: Any, row: CaseRow) -> tuple[ExhibitRow, bool]:
        return add_exhibit(connection, row, piece, entered, caller.actor, at)

    try:
        exhibit, is_new = await change_visible_case(service, caller, case, work)
    except UsageError as error:
        raise Problem(409, error.message) from error
    if not is_new:
        response.status_code = 200
    return describe_exhibit(exhibit, piece)


@router.patch(
    "/v1/cases/{case}/exhibits/{exhibit}",
    summary="Change or move an exhibit",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 408, 413, 422),
    openapi_extra=describe_body(ExhibitChange),
)
async def change(
    case: CaseInPath, exhibit: ExhibitInPath, request: Request, caller: Submitter,
    service: CurrentService,
) -> None:  # fmt: skip
    """Change what is given; at `position` it moves, and the others keep their order."""
    await find_visible_case(service, caller, case)
    asked = await read_document(request, service, ExhibitChange)
    given = asked.model_fields_set
    at = utc_now()

    def work(connection: Any, row: CaseRow) -> None:
        known = need_exhibit(connection, row, exhibit)
        texts = {name: clean_text(getattr(asked, name)) for name in EXHIBIT_TEXTS if name in given}
        before = ExhibitFields(label=known.label, purpose=known.purpose, note=known.note)
        entered = replace(before, **texts)
        _check_words(entered)
        position = asked.position if "position" in given else known.position
        change_exhibit(connection, row, known, entered, position, caller.actor, at)

    await change_visible_case(service, caller, case, work)


@router.delete(
    "/v1/cases/{case}/exhibits/{exhibit}",
    summary="Remove an exhibit from a case",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422),
)
async def remove(
    case: CaseInPath, exhibit: ExhibitInPath, caller: Submitter, service: CurrentService
) -> None:
    """Remove an exhibit; the evidence stays. From a case with a hold only managers remove one."""
    at = utc_now()

    def work(connection: Any, row: CaseRow) -> None:
        known = need_exhibit(connection, row, exhibit)
        remove_exhibit(connection, row, known, caller.actor, at)

    await change_visible_case(service, caller, case, work, removes=True)


def _check_words(entered: ExhibitFields) -> None:
    texts = {name: getattr(entered, name) for name in EXHIBIT_TEXTS}
    refuse_texts(find_text_faults(texts, EXHIBIT_TEXTS))
