"""Signing in to the dashboard, and out again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from anchor.errors import MalformedError
from anchor.pipeline.project import utc_now
from anchor.service.access import authenticate
from anchor.service.bodies import check_media_type, read_body
from anchor.service.pages.answers import answer_page
from anchor.service.pages.sessions import (
    COOKIE,
    SECONDS,
    is_from_here,
    make_session,
    parse_login,
    read_session,
)
from anchor.service.problems import Problem
from anchor.service.service import Service, service_of
from anchor.store.apikeys import ApiKey, find_key_by_id

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
    key_id = read_session(
        service.settings.session_secret, request.cookies.get(COOKIE, ""), time.time()
    )
    if key_id is None:
        return None

    def look_up() -> ApiKey | None:
        with service.project.database.read() as connection:
            return find_key_by_id(connection, key_id)

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
        key = await authenticate(service, request, parse_login(body))
    except (MalformedError, Problem) as error:
        if isinstance(error, Problem) and error.status != 401:
            raise
        return _refuse("That is no API key of this service, or it was revoked or expired.")
    if _SCOPE not in key.scopes:
        return _refuse("That key is not for the dashboard: it lacks the scope admin.")
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        COOKIE,
        make_session(service.settings.session_secret, key.id, time.time()),
        max_age=SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.headers.get("Origin", "").startswith("https:"),
    )
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session in this browser."""
    _check_origin(request)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _check_origin(request: Request) -> None:
    if not is_from_here(request.headers.get("Origin"), request.headers.get("Host")):
        raise Problem(403, "this form was sent from another site", headers={"Connection": "close"})


def _refuse(problem: str) -> Response:
    return answer_page("login.html", {"here": "login", "problem": problem}, status=403)
