"""``/v1/cases/{case}/links``: links by which a court or an authority reads a case."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.case_rules import LINK_LABEL
from anchor.people.lifetimes import link_end
from anchor.people.plain_text import clean_text, find_text_fault
from anchor.service.auth import Manager
from anchor.service.case_access import change_visible_case, find_visible_case
from anchor.service.case_link_schemas import (
    CaseLinkRequest,
    CaseLinksDocument,
    LinkInPath,
    MadeCaseLinkDocument,
    describe_link,
)
from anchor.service.case_schemas import CaseInPath, refuse_texts
from anchor.service.people_schemas import describe_body, read_document
from anchor.service.problems import Problem
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService
from anchor.store.case_links import create_case_link, load_case_links, revoke_case_link

router = APIRouter(tags=["cases"])


@router.get(
    "/v1/cases/{case}/links",
    summary="The links to a case",
    responses=problems(401, 403, 404, 422),
)
async def list_links(
    case: CaseInPath, caller: Manager, service: CurrentService
) -> CaseLinksDocument:
    """List the links in force, the newest first, and then the newest of the others."""
    row = await find_visible_case(service, caller, case)
    at = utc_now()
    links = await service.query(load_case_links, row.id, at)
    return CaseLinksDocument(links=[describe_link(link, at) for link in links])


@router.post(
    "/v1/cases/{case}/links",
    summary="Make a link to a case",
    status_code=201,
    responses=problems(401, 403, 404, 408, 409, 413, 422),
    openapi_extra=describe_body(CaseLinkRequest),
)
async def make_link(
    case: CaseInPath, request: Request, caller: Manager, service: CurrentService
) -> MadeCaseLinkDocument:
    """Make a link with which whoever has it reads the case, without an account."""
    await find_visible_case(service, caller, case)
    asked = await read_document(request, service, CaseLinkRequest)
    label = clean_text(asked.label)
    fault = find_text_fault(label, LINK_LABEL)
    refuse_texts({} if fault is None else {"label": fault})
    at = utc_now()
    end = link_end(at, asked.days)
    try:
        token = await change_visible_case(
            service,
            caller,
            case,
            lambda connection, row: create_case_link(
                connection, row, label, caller.actor, at=at, expires_at=end
            ),
        )
    except UsageError as error:
        raise Problem(409, error.message) from error
    return MadeCaseLinkDocument(link=f"/shared?token={token}", expires_at=end)


@router.delete(
    "/v1/cases/{case}/links/{id}",
    summary="Revoke a link to a case",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422),
)
async def revoke_link(
    case: CaseInPath, id: LinkInPath, caller: Manager, service: CurrentService
) -> None:
    """Revoke a link at once; one that was revoked before stays as it is."""
    at = utc_now()
    if not await change_visible_case(
        service,
        caller,
        case,
        lambda connection, row: revoke_case_link(connection, row, id, caller.actor, at),
    ):
        raise Problem(404, Message("case-link-unknown"))
