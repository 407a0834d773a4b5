"""Sign-in to and sign-out from the dashboard, by a signed cookie with an API key's id, not the key.

The cookie is valid until it expires, its holder signs out, the key is revoked or the service is
restarted, whichever comes first: key and session are looked up with every request.  Browsers send
it to this site only and not with requests from other sites (``SameSite=Strict``), and scripts
cannot read it (``HttpOnly``).  Over TLS its name begins with ``__Host-``: a browser then accepts it
only from this host and over TLS.
"""

from __future__ import annotations

import hmac
import re
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.errors import MalformedError
from anchor.messages.message import Message
from anchor.service.auth import authenticate, note_event
from anchor.service.client_address import scheme_of
from anchor.service.pages.language import CurrentReader, Reader
from anchor.service.pages.rendering import answer_page
from anchor.service.problems import CLOSE, Problem
from anchor.service.request_body import check_media_type, read_body
from anchor.service.worker import CurrentService, Service
from anchor.store.api_keys import find_key_by_id
from anchor.system.clock import utc_now

router = APIRouter(include_in_schema=False)

_SCOPE = "admin"
_FORM = "application/x-www-form-urlencoded"

COOKIE = "__Host-anchor_session"
PLAIN_COOKIE = "anchor_session"
"""The cookie's name without TLS, on the operator's own machine."""
SECONDS = 12 * 3_600

_SESSION = re.compile(r"([0-9a-f]{12})\.([0-9a-f]{32})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A sign-in: the id of the key used, a random id, and the time it expires (Unix seconds)."""

    key_id: str
    id: str
    expires: int


class Sessions:
    """The sessions of the pages, found by their cookies and ended for all workers at once.

    The workers of a service share the secret that signs the cookies and a folder, in which an empty
    file marks each session that was signed out, until its cookie would have expired.  Each start of
    the service creates both anew.
    """

    def __init__(self, secret: bytes, folder: Path | None) -> None:
        """Create the sessions; without a folder, this worker uses its own for ended sessions."""
        self._secret = secret
        self._own = (
            tempfile.TemporaryDirectory(prefix="anchor-sessions-") if folder is None else None
        )
        self._folder = folder or Path(self._own.name if self._own else "")

    def begin(self, key_id: str, at: float) -> str:
        """Return the cookie's value of a new session for this key; ``at`` is in Unix seconds."""
        claims = f"{key_id}.{secrets.token_hex(16)}.{int(at) + SECONDS}"
        return f"{claims}.{self._sign(claims)}"

    def find(self, cookie: str, at: float) -> Session | None:
        """Return the session of a cookie's value; None if it is forged, expired or ended."""
        match = _SESSION.fullmatch(cookie)
        if match is None:
            return None
        key_id, session_id, expires, signature = match.groups()
        if not hmac.compare_digest(signature, self._sign(f"{key_id}.{session_id}.{expires}")):
            return None
        session = Session(key_id=key_id, id=session_id, expires=int(expires))
        return None if at >= session.expires or self._mark(session).exists() else session

    def end(self, session: Session, at: float) -> None:
        """End a session, and remove the marks of those that have expired.

        Raises:
            OSError: The end of the session cannot be written to the folder.
        """
        for path in self._folder.iterdir():
            if int(path.name.partition(".")[0]) <= at:
                path.unlink(missing_ok=True)
        self._mark(session).touch(mode=0o600)

    def close(self) -> None:
        """Remove the folder, if it is this worker's own."""
        if self._own is not None:
            self._own.cleanup()

    def _mark(self, session: Session) -> Path:
        return self._folder / f"{session.expires}.{session.id}"

    def _sign(self, claims: str) -> str:
        signed = b"anchor session " + claims.encode("ascii")
        return hmac.digest(self._secret, signed, "sha256").hex()


def parse_login(body: bytes) -> str:
    """Return the API key that was entered in the form.

    Raises:
        MalformedError: The body is not that of the sign-in form.
    """
    try:
        fields = parse_qs(
            body.decode("ascii"), strict_parsing=True, max_num_fields=2, errors="strict"
        )
    except ValueError as error:
        raise MalformedError(Message("form-malformed")) from error
    keys = fields.get("key", [])
    if len(keys) != 1:
        raise MalformedError(Message("form-key-count-wrong"))
    return keys[0].strip()


def is_from_here(origin: str | None, host: str | None, scheme: str | None) -> bool:
    """Return whether a form was sent from a page of this site, by the browser's ``Origin`` header.

    ``scheme`` is that of the site, if known; without it, ``http`` and ``https`` are both accepted.
    A missing header is accepted: only programs other than browsers omit it, and those carry no
    cookies of other people.
    """
    if origin is None:
        return True
    stated = urlsplit(origin).scheme
    return stated in ((scheme,) if scheme else ("http", "https")) and origin == f"{stated}://{host}"


async def find_administrator(
    request: Request, service: Service
) -> Literal["key", "session"] | None:
    """Return how an administrator is authenticated for a page; None if the request is not.

    Raises:
        Problem: The request carries an API key that is not usable here (401, 403).
    """
    if "Authorization" in request.headers:
        scheme, _, token = request.headers["Authorization"].partition(" ")
        key = await authenticate(service, request, token if scheme.lower() == "bearer" else None)
        if _SCOPE not in key.scopes:
            raise Problem(403, Message("request-key-lacks-scope", scope=_SCOPE))
        return "key"
    session = _find_session(request)
    if session is None:
        return None
    session_key = await service.query(find_key_by_id, session.key_id)
    if session_key is None or not session_key.stands_at(utc_now()):
        return None
    return "session" if _SCOPE in session_key.scopes else None


@router.get("/login")
async def login_page(reader: CurrentReader) -> Response:
    """Show the form."""
    return answer_page("login.html", {"here": "login", "problem": None}, reader)


@router.post("/login")
async def login(request: Request, service: CurrentService, reader: CurrentReader) -> Response:
    """Begin a session if the key entered has the scope ``admin``."""
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
        return _refuse(Message("dashboard-key-not-usable"), reader)
    if _SCOPE not in key.scopes:
        note_event(request.scope, "sign-in", result="refused", key=key.id, tenant=key.tenant)
        return _refuse(Message("dashboard-key-lacks-admin"), reader)
    note_event(request.scope, "sign-in", result="accepted", key=key.id, tenant=key.tenant)
    answer = RedirectResponse(reader.link("/"), status_code=303)
    is_secure = _is_secure(request)
    answer.set_cookie(
        COOKIE if is_secure else PLAIN_COOKIE,
        _sessions_of(request).begin(key.id, time.time()),
        max_age=SECONDS,
        httponly=True,
        samesite="strict",
        secure=is_secure,
    )
    return answer


@router.post("/logout")
async def logout(request: Request, reader: CurrentReader) -> Response:
    """End the session, in this browser and for any copy of its cookie."""
    _check_origin(request)
    session = _find_session(request)
    if session is not None:
        try:
            _sessions_of(request).end(session, time.time())
        except OSError as error:
            raise Problem(503, Message("session-not-ended")) from error
        note_event(request.scope, "sign-out", key=session.key_id)
    answer = RedirectResponse(reader.link("/login"), status_code=303)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
    answer.delete_cookie(PLAIN_COOKIE, httponly=True, samesite="strict")
    return answer


def _sessions_of(request: Request) -> Sessions:
    sessions: Sessions = request.scope["state"]["sessions"]
    return sessions


def _find_session(request: Request) -> Session | None:
    """Return the session that the request's cookie names, unless it was signed out."""
    cookies = request.cookies
    text = cookies.get(COOKIE, "")
    if not text and scheme_of(request.scope) != "https":
        # Over TLS, another host of the same domain could have set a cookie of this name.
        text = cookies.get(PLAIN_COOKIE, "")
    return _sessions_of(request).find(text, time.time())


def _is_secure(request: Request) -> bool:
    """Return whether the browser uses TLS, which a proxy terminates before this service."""
    scheme = scheme_of(request.scope)
    return (scheme or request.headers.get("Origin", "").partition(":")[0]) == "https"


def _check_origin(request: Request) -> None:
    origin, host = request.headers.get("Origin"), request.headers.get("Host")
    if not is_from_here(origin, host, scheme_of(request.scope)):
        raise Problem(403, Message("form-from-other-site"), headers=CLOSE)


def _refuse(problem: Message, reader: Reader) -> Response:
    return answer_page("login.html", {"here": "login", "problem": problem}, reader, status=403)
