"""Passkeys: made, named and removed from the account's page, and used on that of the sign-in."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.passkey_rules import encode_handle, is_fresh, name_passkey
from anchor.service.auth import note_event
from anchor.service.pages.forms import Form, read_form
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import HOME, PageRoute, local_address
from anchor.service.pages.tenant_access import need_session
from anchor.service.passkey_challenges import (
    SIGN_IN,
    hand_out,
    make_challenge,
    need_ceremony,
    need_challenge,
)
from anchor.service.problems import Problem
from anchor.service.session_cookies import check_origin, renew_session
from anchor.service.worker import CurrentService, Service
from anchor.store.browser_sessions import BrowserSession, Holder
from anchor.store.passkeys import (
    Use,
    add_passkey,
    check_new_passkey,
    find_passkey,
    load_passkeys,
    remove_passkey,
    rename_passkey,
    use_passkey,
)
from anchor.store.persons import PersonRow

if TYPE_CHECKING:
    from anchor.service.passkey_ceremony import PasskeyCeremony

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_REFUSED: Final[dict[Use, Message]] = {
    "answered-before": Message("passkey-answered-before"),
    "unknown": Message("passkey-not-accepted"),
    "no-tenant": Message("passkey-no-tenant"),
    "counter": Message("passkey-counter"),
}


@router.post("/login/passkey/challenge")
async def ask_any(request: Request, service: CurrentService) -> Response:
    """Give the browser a challenge that any passkey of this site may answer."""
    check_origin(request)
    return _hand_out(request, service, SIGN_IN, need_ceremony(request).ask_any)


@router.post("/login/passkey")
async def sign_in(request: Request, service: CurrentService) -> Response:
    """Begin a session for the person whose passkey answered the challenge."""
    ceremony = need_ceremony(request)
    form = await read_form(request, service, "credential", "next")
    try:
        id, person = await _check(request, service, ceremony, form.text("credential"))
    except Problem:
        note_event(request.scope, "sign-in", result="refused", provider="passkey")
        raise
    note_event(
        request.scope, "sign-in", result="accepted", provider="passkey", person=person, passkey=id
    )
    answer = RedirectResponse(local_address(form.text("next")), status_code=303)
    await renew_session(request, service, answer, Holder(person=person), id)
    return answer


@router.post("/account/passkeys/challenge")
async def ask_new(request: Request, service: CurrentService) -> Response:
    """Give the browser a challenge for making a passkey."""
    check_origin(request)
    ceremony = need_ceremony(request)
    session, person = await _need_fresh(request, service)
    try:
        await service.query(check_new_passkey, person.id)
    except UsageError as error:
        raise Problem(409, error.message) from error
    known = await service.query(load_passkeys, person.id)
    name = person.email or person.name
    ask = partial(ceremony.ask_new, person.id, name, known)
    return _hand_out(request, service, session.row.id, ask)


@router.post("/account/passkeys")
async def change(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """Store the passkey that the browser made, or name or remove one."""
    ceremony = need_ceremony(request)
    form = await read_form(request, service, "do", "credential", "name", "passkey")
    session, person = await _need_fresh(request, service)
    if form.text("do") == "add":
        await _add(request, service, ceremony, session, person, form)
    elif not await _change(service, person.id, form):
        raise Problem(404, Message("passkey-unknown"))
    return RedirectResponse(reader.link(HOME), status_code=303)


async def _check(
    request: Request, service: Service, ceremony: PasskeyCeremony, answer: str
) -> tuple[str, str]:
    """Return the passkey whose answer is right, and its person."""
    challenge = need_challenge(request, SIGN_IN, service.settings.session_secret)
    credential, handle = ceremony.read_names(answer)
    passkey = await service.query(find_passkey, credential)
    if passkey is None or handle != encode_handle(passkey.person):
        raise Problem(400, Message("passkey-not-accepted"))
    count = ceremony.check_sign_in(answer, passkey, challenge)
    use = await service.change(use_passkey, passkey.id, count, challenge, utc_now())
    if use != "accepted":
        raise Problem(403, _REFUSED[use])
    return passkey.id, passkey.person


async def _add(
    request: Request,
    service: Service,
    ceremony: PasskeyCeremony,
    session: BrowserSession,
    person: PersonRow,
    form: Form,
) -> None:
    challenge = need_challenge(request, session.row.id, service.settings.session_secret)
    new = ceremony.check_new(form.text("credential"), challenge)
    at = utc_now()
    name = name_passkey(form.text("name"), at)
    try:
        await service.change(add_passkey, person.id, new, name, challenge, at)
    except UsageError as error:
        raise Problem(409, error.message) from error


async def _change(service: Service, person: str, form: Form) -> bool:
    at, id = utc_now(), form.text("passkey")
    if form.text("do") == "rename":
        name = name_passkey(form.text("name"), at)
        return await service.change(rename_passkey, person, id, name, at)
    if form.text("do") == "remove":
        return await service.change(remove_passkey, person, id, at)
    raise Problem(400, Message("form-malformed"))


async def _need_fresh(request: Request, service: Service) -> tuple[BrowserSession, PersonRow]:
    session = await need_session(request, service)
    if session.person is None:
        raise Problem(404, Message("address-not-found"))
    if not is_fresh(session.row.begun_at, session.row.passkey, utc_now()):
        raise Problem(403, Message("passkey-sign-in-again"))
    return session, session.person


def _hand_out(
    request: Request, service: Service, session: str, ask: Callable[[bytes], str]
) -> Response:
    made = make_challenge(session, time.time())
    answer = Response(ask(made.challenge), media_type="application/json")
    hand_out(request, answer, made, service.settings.session_secret)
    return answer
