"""``/unsubscribe`` and ``/account/mail``: what people are told by e-mail, and how they end it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.messages.catalogue import Language
from anchor.messages.message import Message
from anchor.notifications.event_types import parse_topic
from anchor.service.pages.forms import read_form
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import HOME, PageRoute
from anchor.service.pages.rendering import answer_page
from anchor.service.pages.tenant_access import need_session
from anchor.service.problems import Problem
from anchor.service.request_body import read_body
from anchor.service.worker import CurrentService
from anchor.store.mail_choices import end_mail, find_by_token, save_mail_choice

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


def _unknown() -> Problem:
    return Problem(404, Message("unsubscribe-unknown"))
