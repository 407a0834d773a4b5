"""``/tenants/TENANT``: its members and invitations."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.lifetimes import INVITATION_DAYS, MAX_INVITATION_DAYS, invitation_end
from anchor.people.roles import parse_role
from anchor.people.stated_person import clean_email
from anchor.service.caller import Caller
from anchor.service.pages.forms import Form, read_days, read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.list_page import load_list_page
from anchor.service.pages.page_routes import HOME, PageRoute
from anchor.service.pages.people_labels import ROLE_LABELS, ROLE_MEANINGS
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import base_address, need_caller
from anchor.service.problems import Problem
from anchor.service.worker import CurrentService, Service
from anchor.store.invitations import create_invitation, load_invitations, withdraw_invitation
from anchor.store.memberships import change_role, load_members, load_memberships, remove_member

router = APIRouter(include_in_schema=False, route_class=PageRoute)

# Instead of a role, the person is removed.
_REMOVE = "remove"


@router.get("/tenants/{tenant}")
async def tenant_page(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Show the members, and to an owner the invitations."""
    return await _show(service, reader, await need_caller(request, service, tenant), Form())


@router.post("/tenants/{tenant}/members")
async def change_member(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Give a member another role, or remove them."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "person", "role")
    person, role = form.text("person"), form.text("role")
    try:
        if role == _REMOVE:
            done = await service.change(remove_member, tenant, person, caller.actor, utc_now())
        else:
            named = parse_role(role)
            done = await service.change(change_role, tenant, person, named, caller.actor, utc_now())
    except UsageError as error:
        return await _show(service, reader, caller, form.refuse(whole=error.message))
    if not done:
        raise Problem(404, Message("member-unknown"))
    return RedirectResponse(reader.link(f"/tenants/{tenant}"), status_code=303)


@router.post("/tenants/{tenant}/invitations")
async def invite(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Make an invitation and show its link, once; or withdraw one."""
    caller = await need_caller(request, service, tenant, "manage")
    form = await read_form(request, service, "role", "email", "days", "withdraw")
    at = utc_now()
    if form.text("withdraw"):
        id = form.text("withdraw")
        if not await service.change(withdraw_invitation, tenant, id, caller.actor, at):
            raise Problem(404, Message("invitation-unknown"))
        return RedirectResponse(reader.link(f"/tenants/{tenant}"), status_code=303)
    email, days = form.text("email"), read_days(form, INVITATION_DAYS, MAX_INVITATION_DAYS)
    if email and clean_email(email) is None:
        form = form.refuse(email=Message("form-email-invalid"))
    if days is None:
        form = form.refuse(days=Message("form-days-invalid", limit=MAX_INVITATION_DAYS))
    try:
        role = parse_role(form.text("role"))
    except UsageError as error:
        return await _show(service, reader, caller, form.refuse(role=error.message))
    if form.errors or days is None:
        return await _show(service, reader, caller, form)
    token = await service.change(
        create_invitation,
        tenant,
        role,
        caller.actor,
        email=clean_email(email),
        made_at=at,
        expires_at=invitation_end(at, days),
    )
    link = f"{base_address(request, service)}/join?token={token}"
    return await _show(service, reader, caller, Form(), link=link)


@router.post("/tenants/{tenant}/leave")
async def leave(
    request: Request, service: CurrentService, reader: CurrentReader, tenant: str
) -> Response:
    """Leave the tenant; its last owner cannot."""
    caller = await need_caller(request, service, tenant)
    form = await read_form(request, service)
    if caller.actor.kind != "person":
        raise Problem(403, Message("join-not-by-key"))
    try:
        await service.change(remove_member, tenant, caller.actor.id, caller.actor, utc_now())
    except UsageError as error:
        return await _show(service, reader, caller, form.refuse(whole=error.message))
    return RedirectResponse(reader.link(HOME), status_code=303)


async def _show(
    service: Service, reader: Reader, caller: Caller, form: Form, *, link: str | None = None
) -> Response:
    manages = "manage" in caller.permissions
    is_person = caller.actor.kind == "person"
    own = await service.query(load_memberships, caller.actor.id) if is_person else []
    role = next((each.role for each in own if each.tenant == caller.tenant), None)
    members = invitations = None
    if "audit" in caller.permissions:
        members = await load_list_page(
            service, reader, "after", lambda row: (row.since, row.person.id),
            load_members, caller.tenant,
        )  # fmt: skip
    if manages:
        invitations = await load_list_page(
            service, reader, "invitations", lambda row: (row.made_at, row.id),
            load_invitations, caller.tenant, utc_now(),
        )  # fmt: skip
    values = {
        "here": "account",
        "tenant": caller.tenant,
        "permissions": caller.permissions,
        "role": role,
        "is_person": is_person,
        "manages": manages,
        "members": members,
        "invitations": invitations,
        "form": form,
        "link": link,
        "roles": ROLE_LABELS,
        "meanings": ROLE_MEANINGS,
    }
    return answer_page("tenant.html", values, reader, status=422 if form.errors else 200)
