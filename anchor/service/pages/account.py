"""``/account``: who is signed in, their tenants, and their sessions, which they can end."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.notifications.event_types import OWNER_TOPICS
from anchor.people.passkey_rules import MOST_PASSKEYS, is_fresh
from anchor.people.roles import permissions_of_role
from anchor.service.auth import note_event
from anchor.service.pages.forms import read_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.notification_labels import TOPIC_LABELS
from anchor.service.pages.page_routes import HOME, PageRoute
from anchor.service.pages.people_labels import ROLE_LABELS
from anchor.service.pages.rendering import ASKING_SCRIPT_POLICY, POLICY, answer_page, static_path
from anchor.service.pages.tenant_access import need_session
from anchor.service.passkey_challenges import find_ceremony
from anchor.service.problems import Problem
from anchor.service.session_cookies import forget_session
from anchor.service.worker import CurrentService, Service
from anchor.store.browser_sessions import BrowserSession, end_sessions, load_sessions
from anchor.store.mail_choices import find_mail_choice
from anchor.store.mail_confirmations import find_confirmation, has_confirmed_address
from anchor.store.memberships import create_own_tenant, load_memberships
from anchor.store.passkeys import can_have_passkeys, load_passkeys

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get(HOME)
async def account(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """Show the account."""
    return await _show(request, service, reader, await need_session(request, service))


@router.post("/account/sessions")
async def end(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """End one of one's own sessions, or all of them."""
    session = await need_session(request, service)
    form = await read_form(request, service, "session")
    id = form.text("session") or None
    ended = await service.change(end_sessions, session.row.holder, utc_now(), id)
    holder = session.row.holder
    note_event(
        request.scope,
        "sessions-ended",
        count=str(ended),
        key=holder.api_key,
        person=holder.person,
    )
    is_own = id is None or id == session.row.id
    answer = RedirectResponse(reader.link("/login" if is_own else HOME), status_code=303)
    if is_own:
        forget_session(answer)
    return answer


@router.post("/account/tenants")
async def create_tenant(
    request: Request, service: CurrentService, reader: CurrentReader
) -> Response:
    """Create a tenant with the person as its owner, where the operator allows it."""
    session = await need_session(request, service)
    await read_form(request, service)
    if not service.project.config.platform.open_sign_up or session.person is None:
        raise Problem(403, Message("account-sign-up-closed"))
    try:
        tenant = await service.change(create_own_tenant, session.person.id, utc_now())
    except UsageError as error:
        return await _show(request, service, reader, session, error.message)
    return RedirectResponse(reader.link(f"/tenants/{tenant}"), status_code=303)


async def _show(
    request: Request,
    service: Service,
    reader: Reader,
    session: BrowserSession,
    problem: Message | None = None,
) -> Response:
    at = utc_now()
    rows = await service.query(load_sessions, session.row.holder, at)
    person = session.person
    can_have = await service.query(can_have_passkeys, person.id) if person else False
    has_passkeys = person is not None and find_ceremony(request) is not None
    memberships = await service.query(load_memberships, person.id) if person else []
    choice = await service.query(find_mail_choice, person.id) if person else None
    chosen = None if choice is None else choice.topics
    values = {
        "here": "account",
        "person": person,
        "key": session.key,
        "memberships": memberships,
        "submitting": {
            each.tenant
            for each in memberships
            if "submit" in permissions_of_role(each.role, is_suspended=each.is_suspended)
        },
        "open_sign_up": service.project.config.platform.open_sign_up,
        "sessions": rows,
        "current": session.row.id,
        "roles": ROLE_LABELS,
        "problem": problem,
        "has_mail": person is not None and service.project.config.mail is not None,
        "is_told": await service.query(has_confirmed_address, person.id) if person else False,
        "confirmation": await service.query(find_confirmation, person.id) if person else None,
        "topics": TOPIC_LABELS,
        "chosen_topics": OWNER_TOPICS if chosen is None else chosen,
        "mail_language": (choice and choice.language) or "both",
        "has_passkeys": has_passkeys,
        "passkeys": await service.query(load_passkeys, person.id) if person else [],
        "is_fresh": is_fresh(session.row.begun_at, session.row.passkey, at),
        "can_have_passkeys": can_have,
        "most_passkeys": MOST_PASSKEYS,
        "script": static_path("passkey.js"),
    }
    status = 200 if problem is None else 409
    policy = ASKING_SCRIPT_POLICY if has_passkeys else POLICY
    return answer_page("account.html", values, reader, status=status, policy=policy)
