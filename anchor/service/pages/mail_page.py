"""What people are told by e-mail, how they end it, and how they confirm their address."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.base.units import format_stored_time
from anchor.notifications.event_types import parse_topic
from anchor.service.address_limits import limits_of, too_many
from anchor.service.client_address import client_of
from anchor.service.pages.forms import read_form
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import HOME, PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_session
from anchor.service.problems import Problem
from anchor.service.request_body import read_body
from anchor.service.worker import CurrentService
from anchor.store.mail_choices import end_mail, find_by_token, save_mail_choice
from anchor.store.mail_confirmations import (
    ask_confirmation,
    confirm_address,
    find_by_link,
    has_confirmed_address,
)

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LANGUAGES: dict[str, Language | None] = {"en": "en", "zh": "zh", "both": None}


@router.get("/unsubscribe")
async def ask(service: CurrentService, reader: CurrentReader, token: str = "") -> Response:
    """Ask whether e-mails shall end: programs that follow links must not end them."""
    if await service.query(find_by_token, token) is None:
        raise _unknown()
    values = {"here": "account", "token": token, "is_done": False}
    return answer_page("unsubscribe.html", values, reader)


@router.post("/unsubscribe")
async def end(
    request: Request, service: CurrentService, reader: CurrentReader, token: str = ""
) -> Response:
    """End all e-mails to the person whose link this is, also for mail programs (RFC 8058).

    The link is all that is needed, so neither a session nor the origin of the form is asked for.
    """
    await read_body(request, service.settings)
    if not await service.change(end_mail, token):
        raise _unknown()
    values = {"here": "account", "token": token, "is_done": True}
    return answer_page("unsubscribe.html", values, reader)


@router.post("/account/mail")
async def choose(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """Store what the person wants to be told, and in which language."""
    session = await need_session(request, service)
    form = await read_form(request, service, "language", several=("topics",))
    topics = [parse_topic(each) for each in form.entered.get("topics", ())]
    named = form.text("language")
    if session.person is None or None in topics or named not in _LANGUAGES:
        raise Problem(400, Message("form-malformed"))
    await service.change(
        save_mail_choice,
        session.person.id,
        [topic for topic in topics if topic is not None],
        _LANGUAGES[named],
    )
    return RedirectResponse(reader.link(HOME), status_code=303)


@router.post("/account/mail/confirmation")
async def ask_to_confirm(
    request: Request, service: CurrentService, reader: CurrentReader
) -> Response:
    """Send a link to the person's own address, which they open to confirm it."""
    session = await need_session(request, service)
    await read_form(request, service)
    person = session.person
    if person is None or person.email is None or service.project.config.mail is None:
        raise Problem(404, Message("address-not-found"))
    if not await service.query(has_confirmed_address, person.id):
        free_at = await service.change(ask_confirmation, person, utc_now())
        if free_at is not None:
            time = format_stored_time(free_at)
            raise Problem(429, Message("confirmation-too-early", time=time))
    return RedirectResponse(reader.link(HOME), status_code=303)


@router.get("/confirm-address")
async def show_confirmation(
    request: Request, service: CurrentService, reader: CurrentReader, token: str = ""
) -> Response:
    """Ask whether the address is right: programs that follow links must not confirm it."""
    throttle, address = limits_of(request), client_of(request.scope)
    if seconds := throttle.refused.wait(address):
        raise too_many(seconds)
    if await service.query(find_by_link, token, utc_now()) is None:
        throttle.refused.take(address)
        raise Problem(404, Message("confirmation-unknown"))
    values = {"here": "account", "token": token, "is_done": False}
    return answer_page("confirmation.html", values, reader)


@router.post("/confirm-address")
async def confirm(
    request: Request, service: CurrentService, reader: CurrentReader, token: str = ""
) -> Response:
    """Confirm the address to which the link was sent; whoever reads its e-mails has the link."""
    await read_form(request, service)
    throttle, address = limits_of(request), client_of(request.scope)
    if seconds := throttle.refused.wait(address):
        raise too_many(seconds)
    if not await service.change(confirm_address, token, utc_now()):
        throttle.refused.take(address)
        raise Problem(404, Message("confirmation-unknown"))
    values = {"here": "account", "token": token, "is_done": True}
    return answer_page("confirmation.html", values, reader)


def _unknown() -> Problem:
    return Problem(404, Message("unsubscribe-unknown"))
