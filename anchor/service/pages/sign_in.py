"""Signing in to the dashboard, and out again."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from anchor.errors import MalformedError
from anchor.service.audit_trail import note_event
from anchor.service.auth import authenticate
from anchor.service.client_address import scheme_of
from anchor.service.pages.responses import answer_page
from anchor.service.pages.session_cookie import (
    COOKIE,
    PLAIN_COOKIE,
    SECONDS,
    Session,
    is_from_here,
    make_session,
    parse_login,
    read_session,
)
from anchor.service.problems import Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.worker import Service, service_of
from anchor.store.api_keys import ApiKey, find_key_by_id
from anchor.system.clock import utc_now

router = APIRouter(include_in_schema=False)

_SCOPE = "admin"
_FORM = "application/x-www-form-urlencoded"

TheService = Annotated[Service, Depends(service_of)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An administrator, and whether by a session that can be ended."""

    key: ApiKey
    has_session: bool


async def find_administrator(request: Request, service: Service) -> Caller | None:
    """Return who asks for a page of the operator's; None where nobody is signed in.

    Raises:
        Problem: an API key is sent with the request, and it is none for this (401, 403).
    """
    if "Authorization" in request.headers:
        scheme, _, token = request.headers["Authorization"].partition(" ")
        key = await authenticate(service, request, token if scheme.lower() == "bearer" else None)
        if _SCOPE not in key.scopes:
            raise Problem(403, f"this key is not for {_SCOPE!r}")
        return Caller(key=key, has_session=False)
    session = _find_session(request, service)
    if session is None:
        return None

    def look_up() -> ApiKey | None:
        with service.project.database.read() as connection:
            return find_key_by_id(connection, session.key_id)

    found = await service.read(look_up)
    if found is None or not found.stands_at(utc_now()) or _SCOPE not in found.scopes:
        return None
    return Caller(key=found, has_session=True)


@router.get("/login")
async def login_page() -> Response:
    """Show the form."""
    return answer_page("login.html", {"here": "login", "problem": None})


@router.post("/login")
async def login(request: Request, service: TheService) -> Response:
    """Begin a session for whoever shows a key with the scope ``admin``."""
    check_media_type(request, _FORM)
    _check_origin(request)
    body = await read_body(request, service.settings)
    try:
        token = parse_login(body)
        key = await authenticate(service, request, token)
    except (MalformedError, Problem) as error:
        if isinstance(error, Problem) and error.status != 401:
            raise
        note_event(request.scope, "sign-in", result="refused")
        return _refuse("That is no API key of this service, or it was revoked or expired.")
    if _SCOPE not in key.scopes:
        note_event(request.scope, "sign-in", result="refused", key=key.id, tenant=key.tenant)
        return _refuse("That key is not for the dashboard: it lacks the scope admin.")
    note_event(request.scope, "sign-in", result="accepted", key=key.id, tenant=key.tenant)
    answer = RedirectResponse("/", status_code=303)
    is_secure = _is_secure(request)
    answer.set_cookie(
        COOKIE if is_secure else PLAIN_COOKIE,
        make_session(service.settings.session_secret, key.id, secrets.token_bytes(16), time.time()),
        max_age=SECONDS,
        httponly=True,
        samesite="strict",
        secure=is_secure,
    )
    return answer


@router.post("/logout")
async def logout(request: Request, service: TheService) -> Response:
    """End the session, in this browser and for whoever has its cookie."""
    _check_origin(request)
    session = _find_session(request, service)
    if session is not None:
        try:
            service.ended_sessions.end(session.id, session.expires, time.time())
        except OSError as error:
            raise Problem(503, "the session could not be ended; sign out again") from error
        note_event(request.scope, "sign-out", key=session.key_id)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
    answer.delete_cookie(PLAIN_COOKIE, httponly=True, samesite="strict")
    return answer


def _find_session(request: Request, service: Service) -> Session | None:
    """Return the session that the request's cookie names, unless it was signed out."""
    cookies = request.cookies
    text = cookies.get(COOKIE, "")
    if not text and scheme_of(request.scope) != "https":
        # Over TLS this name could have been set by another host of the same domain.
        text = cookies.get(PLAIN_COOKIE, "")
    session = read_session(service.settings.session_secret, text, time.time())
    if session is None or service.ended_sessions.has(session.id, session.expires):
        return None
    return session


def _is_secure(request: Request) -> bool:
    """Return whether the browser reaches this site over TLS, which ends before this service."""
    scheme = scheme_of(request.scope)
    return (scheme or request.headers.get("Origin", "").partition(":")[0]) == "https"


def _check_origin(request: Request) -> None:
    origin, host = request.headers.get("Origin"), request.headers.get("Host")
    if not is_from_here(origin, host, scheme_of(request.scope)):
        raise Problem(403, "this form was sent from another site", headers={"Connection": "close"})


def _refuse(problem: str) -> Response:
    return answer_page("login.html", {"here": "login", "problem": problem}, status=403)
