"""Sign-in with a provider: to its page, and back from it with a code."""

from __future__ import annotations

import hmac
import time
from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.stated_person import StatedPerson
from anchor.service.auth import note_event
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.page_routes import HOME, PageRoute, local_address
from anchor.service.problems import Problem
from anchor.service.session_cookies import is_from_other_site, is_over_tls, renew_session
from anchor.service.sign_in_cookies import (
    CALLBACK,
    MINUTES,
    OpenSignIn,
    begin_sign_in,
    cookie_name,
    decode_sign_in,
    encode_sign_in,
    list_surplus,
)
from anchor.service.worker import CurrentService, Service
from anchor.store.browser_sessions import Holder
from anchor.store.persons import recognise_person

if TYPE_CHECKING:
    from anchor.service.provider_client import ProviderClient

router = APIRouter(include_in_schema=False, route_class=PageRoute)

# A code or state of a real provider has some tens or hundreds of characters.
_MAX_PARAMETER = 4_096


@router.get("/login/start")
async def start(
    request: Request,
    service: CurrentService,
    reader: CurrentReader,
    provider: str = "",
    next: str = HOME,
) -> Response:
    """Send the browser to the provider that the user chose on the sign-in page."""
    if is_from_other_site(request):
        # Only a click on our own page starts a sign-in, and contacts a provider.
        return RedirectResponse(reader.link("/login"), status_code=303)
    client = _find_provider(request, provider)
    begun = begin_sign_in(provider, local_address(next), time.time())
    address = await client.queue.run(partial(client.build_address, begun.attempt))
    answer = RedirectResponse(address, status_code=303)
    is_secure = is_over_tls(request)
    for name in list_surplus(list(request.cookies)):
        answer.delete_cookie(name, secure=is_secure, httponly=True, samesite="lax")
    answer.set_cookie(
        cookie_name(begun.attempt.state, is_secure=is_secure),
        encode_sign_in(begun, service.settings.session_secret),
        max_age=60 * MINUTES,
        httponly=True,
        samesite="lax",
        secure=is_secure,
    )
    return answer


@router.get(CALLBACK + "/{provider}")
async def come_back(
    request: Request,
    service: CurrentService,
    provider: str,
    state: str = "",
    code: str = "",
    iss: str | None = None,
    error: str = "",
) -> Response:
    """Begin a session for the person whom the provider names; the sign-in is then used up."""
    client = _find_provider(request, provider)
    is_secure = is_over_tls(request)
    name = cookie_name(state, is_secure=is_secure)
    begun = decode_sign_in(
        request.cookies.get(name, ""), service.settings.session_secret, time.time()
    )
    if begun is None or not _is_answer_to(begun, provider, state):
        note_event(request.scope, "sign-in", result="refused", provider=provider)
        raise Problem(400, Message("sign-in-not-begun-here"))
    if error or not code or len(code) > _MAX_PARAMETER:
        note_event(request.scope, "sign-in", result="declined", provider=provider)
        raise Problem(400, Message("sign-in-declined", provider=client.config.label))
    try:
        stated = await client.queue.run(partial(client.fetch_person, begun.attempt, code, iss))
    except Problem as problem:
        note_event(request.scope, "sign-in", result="refused", provider=provider)
        raise problem from None
    person = await _recognise(service, stated)
    note_event(request.scope, "sign-in", result="accepted", provider=provider, person=person)
    answer = RedirectResponse(begun.next, status_code=303)
    await renew_session(request, service, answer, Holder(person=person))
    answer.delete_cookie(name, secure=is_secure, httponly=True, samesite="lax")
    return answer


def _find_provider(request: Request, name: str) -> ProviderClient:
    providers: dict[str, ProviderClient] = request.scope["state"]["providers"]
    if name not in providers:
        raise Problem(404, Message("sign-in-provider-unknown"))
    return providers[name]


def _is_answer_to(begun: OpenSignIn, provider: str, state: str) -> bool:
    is_same = hmac.compare_digest(begun.attempt.state.encode(), state.encode())
    return is_same and begun.provider == provider


async def _recognise(service: Service, stated: StatedPerson) -> str:
    return await service.change(recognise_person, stated, utc_now())
