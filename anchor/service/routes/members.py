"""``/v1/members`` and ``/v1/invitations``: the people of the caller's tenant."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.lifetimes import invitation_end
from anchor.people.stated_person import clean_email
from anchor.service.auth import Auditor, Manager
from anchor.service.pagination import AfterPosition, CurrentPage, PageLimit, read_position
from anchor.service.people_schemas import (
    IdInPath,
    InvitationDocument,
    InvitationRequest,
    InvitationsDocument,
    MadeInvitationDocument,
    MemberDocument,
    MembersDocument,
    PersonInPath,
    RoleDocument,
    describe_body,
    read_document,
)
from anchor.service.problems import FieldError, Problem
from anchor.service.schemas import problems
from anchor.service.worker import CurrentService
from anchor.store.invitations import create_invitation, load_invitations, withdraw_invitation
from anchor.store.memberships import change_role, load_members, remove_member

router = APIRouter(tags=["people"])


@router.get("/v1/members", summary="The tenant's members", responses=problems(401, 403, 404, 422))
async def members(
    caller: Auditor,
    service: CurrentService,
    links: CurrentPage,
    after: AfterPosition = None,
    limit: PageLimit = 50,
) -> MembersDocument:
    """List the members, the earliest first."""
    rows = await service.query(load_members, caller.tenant, after=read_position(after), limit=limit)
    following = links.name_position(rows, limit, lambda row: (row.since, row.person.id))
    return MembersDocument(
        members=[
            MemberDocument(
                person=row.person.id,
                name=row.person.name,
                email=row.person.email,
                email_verified=row.person.email_verified,
                role=row.role,
                since=row.since,
            )
            for row in rows
        ],
        next=following,
    )


@router.post(
    "/v1/members/{person}",
    summary="Give a member another role",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 408, 409, 413, 422),
    openapi_extra=describe_body(RoleDocument),
)
async def change(
    person: PersonInPath, request: Request, caller: Manager, service: CurrentService
) -> None:
    """Give a member another role; the last owner stays one (409)."""
    asked = await read_document(request, service, RoleDocument)
    try:
        done = await service.change(
            change_role, caller.tenant, person, asked.role, caller.actor, utc_now()
        )
    except UsageError as error:
        raise Problem(409, error.message, hint=error.hint) from error
    if not done:
        raise Problem(404, Message("member-unknown"))


@router.delete(
    "/v1/members/{person}",
    summary="Remove a member",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 409, 422),
)
async def remove(person: PersonInPath, caller: Manager, service: CurrentService) -> None:
    """Remove a member; the last owner stays (409)."""
    try:
        done = await service.change(remove_member, caller.tenant, person, caller.actor, utc_now())
    except UsageError as error:
        raise Problem(409, error.message, hint=error.hint) from error
    if not done:
        raise Problem(404, Message("member-unknown"))


@router.get(
    "/v1/invitations",
    summary="The tenant's open invitations",
    responses=problems(401, 403, 404, 422),
)
async def invitations(
    caller: Manager,
    service: CurrentService,
    links: CurrentPage,
    after: AfterPosition = None,
    limit: PageLimit = 50,
) -> InvitationsDocument:
    """List the invitations that were neither used nor withdrawn and have not expired."""
    rows = await service.query(
        load_invitations, caller.tenant, utc_now(), after=read_position(after), limit=limit
    )
    following = links.name_position(rows, limit, lambda row: (row.made_at, row.id))
    return InvitationsDocument(
        invitations=[
            InvitationDocument(
                id=row.id,
                role=row.role,
                email=row.email,
                made_by=row.made_by,
                made_at=row.made_at,
                expires_at=row.expires_at,
            )
            for row in rows
        ],
        next=following,
    )


@router.post(
    "/v1/invitations",
    summary="Make an invitation",
    status_code=201,
    responses=problems(401, 403, 404, 408, 413, 422),
    openapi_extra=describe_body(InvitationRequest),
)
async def invite(
    request: Request, caller: Manager, service: CurrentService
) -> MadeInvitationDocument:
    """Make a link with which one person joins the tenant."""
    asked = await read_document(request, service, InvitationRequest)
    email = None if asked.email is None else clean_email(asked.email)
    if email is None and asked.email is not None:
        raise Problem(
            422,
            Message("request-body-invalid"),
            errors=[FieldError("/email", Message("form-email-invalid"))],
        )
    made_at = utc_now()
    expires_at = invitation_end(made_at, asked.days)
    token = await service.change(
        create_invitation,
        caller.tenant,
        asked.role,
        caller.actor,
        email=email,
        made_at=made_at,
        expires_at=expires_at,
    )
    return MadeInvitationDocument(link=f"/join?token={token}", expires_at=expires_at)


@router.delete(
    "/v1/invitations/{id}",
    summary="Withdraw an invitation",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422),
)
async def withdraw(id: IdInPath, caller: Manager, service: CurrentService) -> None:
    """Withdraw an open invitation."""
    if not await service.change(withdraw_invitation, caller.tenant, id, caller.actor, utc_now()):
        raise Problem(404, Message("invitation-unknown"))
