"""Sign-in as one of the persons of a demonstration, without a password."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.messages.message import Message
from anchor.service.auth import note_event
from anchor.service.pages.forms import read_form
from anchor.service.pages.page_routes import PageRoute, local_address
from anchor.service.problems import Problem
from anchor.service.session_cookies import renew_session
from anchor.service.worker import CurrentService
from anchor.store.browser_sessions import Holder

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post("/login/sample")
async def sign_in(request: Request, service: CurrentService) -> Response:
    """Begin a session as the person whose button was pressed; 404 outside a demonstration."""
    form = await read_form(request, service, "person", "next")
    chosen = form.text("person")
    if all(person.id != chosen for person in service.settings.sample_people):
        raise Problem(404, Message("sign-in-provider-unknown"))
    note_event(request.scope, "sign-in", result="accepted", provider="sample", person=chosen)
    answer = RedirectResponse(local_address(form.text("next")), status_code=303)
    await renew_session(request, service, answer, Holder(person=chosen))
    return answer
