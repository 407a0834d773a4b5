"""The cookie that names a browser session, and the checks that a request is from this site.

Scripts cannot read the cookie (``HttpOnly``).  Browsers send it with navigation from other sites,
which a link of an invitation is, and with no other request of theirs (``SameSite=Lax``); requests
that change something must also name this site as their origin.  Over TLS its name begins with
``__Host-``: a browser then accepts it only from this host and over TLS.
"""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.people.lifetimes import SESSION_SECONDS, minute_of
from anchor.service.client_address import scheme_of
from anchor.service.problems import CLOSE, Problem
from anchor.service.worker import Service
from anchor.store.browser_sessions import (
    BrowserSession,
    Holder,
    begin_session,
    end_sessions,
    find_session,
    touch_session,
)

COOKIE = "__Host-anchor_session"
PLAIN_COOKIE = "anchor_session"
"""The cookie's name without TLS, on the operator's own machine."""

# What browsers say of requests from pages of this site, and of addresses that the user entered.
_OWN_SITE = ("same-origin", "none")


async def find_browser_session(request: Request, service: Service) -> BrowserSession | None:
    """Return the session in force that the request's cookie names; note its use by the minute."""
    token = _read_token(request)
    if not token:
        return None
    at = utc_now()
    session = await service.query(find_session, token, at)
    if session is not None and session.row.used_at != minute_of(at):
        with suppress(AnchorError):  # the session is valid all the same
            await service.change(touch_session, session.row.id, at)
    return session


async def renew_session(
    request: Request,
    service: Service,
    answer: Response,
    holder: Holder,
    passkey: str | None = None,
) -> None:
    """Begin a session under a new token, and end the one that the request had."""
    at, browser = utc_now(), request.headers.get("User-Agent", "")
    former = await find_browser_session(request, service)
    token = await service.change(begin_session, holder, browser, at, passkey=passkey)
    if former is not None:
        await service.change(end_sessions, former.row.holder, at, former.row.id)
    is_secure = is_over_tls(request)
    answer.set_cookie(
        COOKIE if is_secure else PLAIN_COOKIE,
        token,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=is_secure,
    )


def forget_session(answer: Response) -> None:
    """Remove the cookie from the browser."""
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
    answer.delete_cookie(PLAIN_COOKIE, httponly=True, samesite="lax")


def is_over_tls(request: Request) -> bool:
    """Return whether the browser uses TLS, which a proxy terminates before this service.

    The scheme is a named proxy's word, or that of the ``Origin``, or the configured address's.
    """
    scheme = scheme_of(request.scope) or request.headers.get("Origin", "").partition(":")[0]
    if scheme in ("http", "https"):
        return scheme == "https"
    url: str | None = request.app.state.service.project.config.platform.url
    return url is not None and url.startswith("https:")


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


def check_origin(request: Request, *, is_needed: bool = False) -> None:
    """Check that a request that changes something comes from a page of this site.

    With ``is_needed``, a request without ``Origin`` is refused, too.
    """
    origin, host = request.headers.get("Origin"), request.headers.get("Host")
    is_here = is_from_here(origin, host, scheme_of(request.scope))
    if not is_here or (is_needed and origin is None) or is_from_other_site(request):
        raise Problem(403, Message("form-from-other-site"), headers=CLOSE)


def is_from_other_site(request: Request) -> bool:
    """Return whether the browser says that another site caused the request (Fetch Metadata)."""
    return request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE


def _read_token(request: Request) -> str:
    cookies = request.cookies
    token = cookies.get(COOKIE, "")
    if not token and scheme_of(request.scope) != "https":
        # Over TLS, another host of the same domain could have set a cookie of this name.
        token = cookies.get(PLAIN_COOKIE, "")
    return token
