"""``/v1/cases/{case}/members``: the persons of the tenant who see a case."""

from __future__ import annotations

from fastapi import APIRouter, Response

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.service.auth import Manager, StatusReader
from anchor.service.case_access import change_visible_case, find_visible_case
from anchor.service.case_schemas import CaseInPath, CaseMembersDocument, describe_case_member
from anchor.service.pagination import AfterPosition, CurrentPage, PageLimit, read_position
from anchor.service.people_schemas import PersonInPath
from anchor.service.problems import Problem
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService
from anchor.store.case_members import add_case_member, load_case_members, remove_case_member

router = APIRouter(tags=["cases"])


@router.get(
    "/v1/cases/{case}/members",
    summary="The members of a case",
    responses=problems(401, 403, 404, 422),
)
async def list_members(
    case: CaseInPath,
    caller: StatusReader,
    service: CurrentService,
    links: CurrentPage,
    after: AfterPosition = None,
    limit: PageLimit = 50,
) -> CaseMembersDocument:
    """List the persons who see the case because they are its members, the earliest first."""
    visible = await find_visible_case(service, caller, case)
    rows = await service.query(
        load_case_members, visible.id, after=read_position(after), limit=limit
    )
    following = links.name_position(rows, limit, lambda row: (row.since, row.person.id))
    return CaseMembersDocument(members=list(map(describe_case_member, rows)), next=following)


@router.post(
    "/v1/cases/{case}/members/{person}",
    summary="Let a person of the tenant see a case",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422),
)
async def add_member(
    case: CaseInPath, person: PersonInPath, caller: Manager, service: CurrentService
) -> None:
    """Make a person of the tenant a member of the case."""
    at = utc_now()
    if not await change_visible_case(
        service,
        caller,
        case,
        lambda connection, row: add_case_member(connection, row, person, caller.actor, at),
    ):
        raise Problem(404, Message("member-unknown"))


@router.delete(
    "/v1/cases/{case}/members/{person}",
    summary="Remove a person from a case",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422),
)
async def remove_member(
    case: CaseInPath, person: PersonInPath, caller: Manager, service: CurrentService
) -> None:
    """Remove a member; owners see the case all the same."""
    at = utc_now()
    if not await change_visible_case(
        service,
        caller,
        case,
        lambda connection, row: remove_case_member(connection, row, person, caller.actor, at),
    ):
        raise Problem(404, Message("member-unknown"))
