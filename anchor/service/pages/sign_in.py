"""Sign-in and sign-out: the providers' buttons, and the form for an administrator's API key."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.actors import Actor
from anchor.service.auth import authenticate, note_event
from anchor.service.pages.forms import parse_form
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.page_routes import HOME, PageRoute, SignInNeeded, local_address
from anchor.service.pages.people_labels import ROLE_LABELS
from anchor.service.pages.rendering import ASKING_SCRIPT_POLICY, POLICY, answer_page, static_path
from anchor.service.passkey_challenges import find_ceremony
from anchor.service.problems import Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.session_cookies import (
    check_origin,
    find_browser_session,
    forget_session,
    renew_session,
)
from anchor.service.worker import CurrentService, Service
from anchor.store.browser_sessions import Holder, end_sessions

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_SCOPE = "admin"
_FORM = "application/x-www-form-urlencoded"


async def find_administrator(
    request: Request, service: Service
) -> Literal["key", "session", "person"] | None:
    """Return how an administrator is authenticated for a page; None if the request is not.

    ``person``: somebody is signed in who is no administrator.

    Raises:
        Problem: The request carries an API key that is not usable here (401, 403).
    """
    if "Authorization" in request.headers:
        scheme, _, token = request.headers["Authorization"].partition(" ")
        key = await authenticate(service, request, token if scheme.lower() == "bearer" else None)
        if _SCOPE not in key.scopes:
            raise Problem(403, Message("request-key-lacks-scope", scope=_SCOPE))
        return "key"
    session = await find_browser_session(request, service)
    if session is None:
        return None
    if session.key is None:
        return "person"
    return "session" if _SCOPE in session.key.scopes else None


async def need_operator(request: Request, service: Service) -> Actor:
    """Return the operator's key by whose session a page is requested.

    Raises:
        Problem: Somebody else is signed in, who learns nothing of the page (404).
    """
    session = await find_browser_session(request, service)
    if session is None:
        raise SignInNeeded
    if session.key is None or _SCOPE not in session.key.scopes:
        raise Problem(404, Message("address-not-found"))
    return Actor("key", session.key.id)


@router.get("/login")
async def login_page(
    request: Request, service: CurrentService, reader: CurrentReader, next: str = HOME
) -> Response:
    """Show the buttons of the providers and for passkeys, and the form."""
    return _answer(request, service, reader, local_address(next))


@router.post("/login")
async def login(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """Begin a session if the key entered has the scope ``admin``."""
    check_media_type(request, _FORM)
    check_origin(request)
    body = await read_body(request, service.settings)
    try:
        token = parse_login(body)
        key = await authenticate(service, request, token)
    except (MalformedError, Problem) as error:
        if isinstance(error, Problem) and error.status != 401:
            raise
        note_event(request.scope, "sign-in", result="refused")
        return _answer(request, service, reader, HOME, Message("dashboard-key-not-usable"))
    if _SCOPE not in key.scopes:
        note_event(request.scope, "sign-in", result="refused", key=key.id, tenant=key.tenant)
        return _answer(request, service, reader, HOME, Message("dashboard-key-lacks-admin"))
    note_event(request.scope, "sign-in", result="accepted", key=key.id, tenant=key.tenant)
    answer = RedirectResponse(reader.link("/dashboard"), status_code=303)
    await renew_session(request, service, answer, Holder(api_key=key.id))
    return answer


@router.post("/logout")
async def logout(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """End the session, in this browser and for any copy of its cookie."""
    check_origin(request)
    session = await find_browser_session(request, service)
    if session is not None:
        await service.change(end_sessions, session.row.holder, utc_now(), session.row.id)
        note_event(
            request.scope,
            "sign-out",
            key=session.row.holder.api_key,
            person=session.row.holder.person,
        )
    answer = RedirectResponse(reader.link("/login"), status_code=303)
    forget_session(answer)
    return answer


def parse_login(body: bytes) -> str:
    """Return the API key that was entered in the form."""
    form = parse_form(body, ("key", "username"))
    if len(form.entered.get("key", ())) != 1:
        raise MalformedError(Message("form-key-count-wrong"))
    return form.text("key")


def _answer(
    request: Request,
    service: Service,
    reader: Reader,
    back: str,
    problem: Message | None = None,
) -> Response:
    has_passkeys = find_ceremony(request) is not None
    values = {
        "here": "account",
        "providers": service.project.config.platform.providers,
        "samples": [(each.id, ROLE_LABELS[each.role]) for each in service.settings.sample_people],
        "next": back,
        "problem": problem,
        "has_passkeys": has_passkeys,
        "script": static_path("passkey.js"),
    }
    status = 200 if problem is None else 403
    policy = ASKING_SCRIPT_POLICY if has_passkeys else POLICY
    return answer_page("login.html", values, reader, status=status, policy=policy)
