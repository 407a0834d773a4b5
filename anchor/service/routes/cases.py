"""``/v1/cases``: the tenant's cases that the caller sees, and their notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request

from anchor.base.errors import UsageError
from anchor.base.system.clock import utc_now
from anchor.people.actors import Actor
from anchor.people.case_rules import (
    CASE_TEXTS,
    HOLD_REASON,
    NOTE_TEXT,
    find_party_fault,
    viewer_of,
)
from anchor.people.plain_text import clean_text, find_text_fault, find_text_faults
from anchor.service.auth import StatusReader, Submitter
from anchor.service.case_access import change_visible_case, find_visible_case, need_owner
from anchor.service.case_schemas import (
    BeforeCase,
    BeforeNote,
    CaseChange,
    CaseDocument,
    CaseInPath,
    CaseNoteDocument,
    CaseNoteRequest,
    CaseNotesDocument,
    CaseRequest,
    CasesDocument,
    StateInQuery,
    describe_case,
    describe_note,
    read_party_documents,
    refuse_texts,
)
from anchor.service.pagination import CurrentPage, PageLimit
from anchor.service.people_schemas import describe_body, read_document
from anchor.service.problems import Problem
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService, Service
from anchor.store.case_exhibits import count_exhibits
from anchor.store.case_notes import add_case_note, load_case_notes
from anchor.store.cases import (
    CaseFields,
    CaseRow,
    change_case,
    create_case,
    lift_case_hold,
    load_cases,
    place_case_hold,
    set_case_state,
)
from anchor.store.persons import find_persons

router = APIRouter(tags=["cases"])


@router.get("/v1/cases", summary="The tenant's cases", responses=problems(401, 403, 404, 422))
async def list_cases(
    caller: StatusReader,
    service: CurrentService,
    links: CurrentPage,
    before: BeforeCase = None,
    limit: PageLimit = 50,
    state: StateInQuery = None,
) -> CasesDocument:
    """List the cases that the caller sees, the newest first.

    Owners, and keys with the scope `manage`, see all of them; other persons those that they are
    members of, and those open to the tenant; other keys those that they created, and the open ones.
    """
    viewer = viewer_of(caller.permissions, caller.actor)
    rows = await service.query(load_cases, caller.tenant, viewer, limit, before=before, state=state)
    counts = await service.query(count_exhibits, [row.id for row in rows])
    following = rows[-1].id if len(rows) == limit else None
    links.name_next("before", following)
    return CasesDocument(
        cases=[describe_case(row, counts.get(row.id, 0)) for row in rows], next=following
    )


@router.post(
    "/v1/cases",
    summary="Create a case",
    status_code=201,
    responses=problems(401, 403, 404, 408, 409, 413, 422),
    openapi_extra=describe_body(CaseRequest),
)
async def create(request: Request, caller: Submitter, service: CurrentService) -> CaseDocument:
    """Create a case; whoever creates it is a member. The number is that of no other case (409)."""
    asked = await read_document(request, service, CaseRequest)
    fields = CaseFields(
        number=clean_text(asked.number),
        title=clean_text(asked.title),
        authority=clean_text(asked.authority),
        parties=read_party_documents(asked.parties),
        is_shared=asked.shared,
    )
    _check_fields(fields, {*CASE_TEXTS, "parties"})
    try:
        case = await service.change(create_case, caller.tenant, fields, caller.actor, utc_now())
    except UsageError as error:
        raise Problem(409, error.message) from error
    return await _describe(service, case)


@router.get("/v1/cases/{case}", summary="A case", responses=problems(401, 403, 404, 422))
async def show(case: CaseInPath, caller: StatusReader, service: CurrentService) -> CaseDocument:
    """Return a case; its exhibits, notes and members have addresses of their own."""
    return await _describe(service, await find_visible_case(service, caller, case))


@router.patch(
    "/v1/cases/{case}",
    summary="Change, close or reopen a case, or place or lift its hold",
    responses=problems(401, 403, 404, 408, 409, 413, 422),
    openapi_extra=describe_body(CaseChange),
)
async def change(
    case: CaseInPath, request: Request, caller: Submitter, service: CurrentService
) -> CaseDocument:
    """Change what is given, in one step.

    `shared` takes the permission to manage the tenant; so does to lift a hold, and to close a case
    with a hold, which ends its force.
    """
    await find_visible_case(service, caller, case)
    asked = await read_document(request, service, CaseChange)
    given = asked.model_fields_set
    if "shared" in given:
        need_owner(caller)
    reason = None if asked.hold is None else clean_text(asked.hold.reason)
    fault = None if reason is None else find_text_fault(reason, HOLD_REASON)
    refuse_texts({} if fault is None else {"hold/reason": fault})
    at = utc_now()

    def work(connection: Any, row: CaseRow) -> None:
        fields = _change_fields(row.fields, asked)
        _check_fields(fields, given)
        change_case(connection, row, fields, caller.actor, at)
        if "state" in given:
            set_case_state(connection, row, asked.state, caller.actor, at)
        if reason is not None:
            place_case_hold(connection, row, reason, caller.actor, at)
        elif "hold" in given:
            lift_case_hold(connection, row, caller.actor, at)

    try:
        await change_visible_case(
            service,
            caller,
            case,
            work,
            lifts="hold" in given and reason is None,
            closes="state" in given and asked.state == "closed",
        )
    except UsageError as error:
        raise Problem(409, error.message) from error
    return await _describe(service, await find_visible_case(service, caller, case))


@router.get(
    "/v1/cases/{case}/notes", summary="Notes in a case", responses=problems(401, 403, 404, 422)
)
async def list_notes(
    case: CaseInPath,
    caller: StatusReader,
    service: CurrentService,
    links: CurrentPage,
    before: BeforeNote = None,
    limit: PageLimit = 50,
) -> CaseNotesDocument:
    """List notes, the newest first."""
    row = await find_visible_case(service, caller, case)
    notes = await service.query(load_case_notes, row.id, limit, before=before)
    authors = {Actor.decode(note.author).id for note in notes}
    persons = await service.query(find_persons, authors)
    following = notes[-1].id if len(notes) == limit else None
    links.name_next("before", following)
    return CaseNotesDocument(notes=[describe_note(note, persons) for note in notes], next=following)


@router.post(
    "/v1/cases/{case}/notes",
    summary="Add a note to a case",
    status_code=201,
    responses=problems(401, 403, 404, 408, 409, 413, 422),
    openapi_extra=describe_body(CaseNoteRequest),
)
async def add_note(
    case: CaseInPath, request: Request, caller: Submitter, service: CurrentService
) -> CaseNoteDocument:
    """Add a note, which stays as it is; the same text once more, right after, is the same note."""
    await find_visible_case(service, caller, case)
    asked = await read_document(request, service, CaseNoteRequest)
    text = clean_text(asked.text)
    fault = find_text_fault(text, NOTE_TEXT)
    refuse_texts({} if fault is None else {"text": fault})
    at = utc_now()
    try:
        note = await change_visible_case(
            service,
            caller,
            case,
            lambda connection, row: add_case_note(connection, row, text, caller.actor, at),
        )
    except UsageError as error:
        raise Problem(409, error.message) from error
    persons = await service.query(find_persons, [caller.actor.id])
    return describe_note(note, persons)


def _change_fields(fields: CaseFields, asked: CaseChange) -> CaseFields:
    given = asked.model_fields_set
    texts = {name: clean_text(getattr(asked, name)) for name in CASE_TEXTS if name in given}
    return replace(
        fields,
        **texts,
        parties=read_party_documents(asked.parties) if "parties" in given else fields.parties,
        is_shared=asked.shared if "shared" in given else fields.is_shared,
    )


def _check_fields(fields: CaseFields, given: set[str]) -> None:
    """Check what was given of a case's fields.

    Raises:
        Problem: A text is empty, too long or cannot be shown (422).
    """
    texts = {name: getattr(fields, name) for name in CASE_TEXTS if name in given}
    faults = find_text_faults(texts, CASE_TEXTS)
    for place, party in enumerate(fields.parties if "parties" in given else ()):
        fault = find_party_fault(party)
        if fault is not None:
            faults[f"parties/{place}"] = fault
    refuse_texts(faults)


async def _describe(service: Service, case: CaseRow) -> CaseDocument:
    counts = await service.query(count_exhibits, [case.id])
    return describe_case(case, counts.get(case.id, 0))
