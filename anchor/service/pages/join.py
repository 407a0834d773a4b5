"""``/join``: an invitation, by its link, to somebody who signs in to accept it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.service.auth import note_event
from anchor.service.pages.forms import read_form
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import PageRoute
from anchor.service.pages.people_labels import ROLE_LABELS, ROLE_MEANINGS
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_session
from anchor.service.problems import Problem
from anchor.service.session_cookies import find_browser_session, is_over_tls
from anchor.service.sign_in_cookies import MINUTES
from anchor.service.worker import CurrentService, Service
from anchor.store.invitations import find_invitation, use_invitation

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/join")
async def invitation(
    request: Request, service: CurrentService, reader: CurrentReader, token: str = ""
) -> Response:
    """Show an invitation; its token is in the query, which is not logged, or the cookie."""
    cookie = _cookie_name(request)
    token = token or request.cookies.get(cookie, "")
    opened = await service.query(find_invitation, token, utc_now())
    if opened is None:
        raise _not_open()
    session = await find_browser_session(request, service)
    values = {
        "here": "account",
        "invitation": opened,
        "person": None if session is None else session.person,
        "providers": service.project.config.platform.providers,
        "next": "/join",
        "token": token,
        "roles": ROLE_LABELS,
        "meanings": ROLE_MEANINGS,
    }
    page = answer_page("join.html", values, reader)
    if session is None:
        # Until they come back from the sign-in, whose address and that of the provider are logged.
        page.set_cookie(
            cookie,
            token,
            max_age=60 * MINUTES,
            httponly=True,
            samesite="lax",
            secure=is_over_tls(request),
        )
    return page


@router.post("/join")
async def accept(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """Make the person who is signed in a member; of two at the same moment, one."""
    session = await need_session(request, service)
    form = await read_form(request, service, "token")
    if session.person is None:
        raise Problem(403, Message("join-not-by-key"))
    person = session.person.id
    used = await _use(service, form.text("token"), person)
    if used is None:
        raise _not_open()
    note_event(request.scope, "invitation-used", person=person, tenant=used)
    answer = RedirectResponse(reader.link(f"/tenants/{used}"), status_code=303)
    answer.delete_cookie(
        _cookie_name(request), secure=is_over_tls(request), httponly=True, samesite="lax"
    )
    return answer


def _cookie_name(request: Request) -> str:
    return ("__Host-" if is_over_tls(request) else "") + "anchor_invitation"


async def _use(service: Service, token: str, person: str) -> str | None:
    used = await service.change(use_invitation, token, person, utc_now())
    return None if used is None else used[0].tenant


def _not_open() -> Problem:
    # The same answer whether it was used, withdrawn, has expired, or never was.
    return Problem(404, Message("invitation-not-open"))
