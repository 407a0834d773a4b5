"""Who is signed in to the dashboard: a signed cookie that names an API key, never the key itself.

The cookie holds until it expires, its holder signs out, the key is revoked or the service starts
anew, whichever comes first: key and session are looked up with every request.  It goes to this site
alone and with no request that another site causes (``SameSite=Strict``), and scripts cannot read it
(``HttpOnly``).  Over TLS its name begins with ``__Host-``: a browser then takes it from this host
alone, over TLS alone.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from anchor.errors import MalformedError

COOKIE = "__Host-anchor_session"
PLAIN_COOKIE = "anchor_session"
"""Where the pages are served without TLS, on the operator's own machine."""
SECONDS = 12 * 3_600

_SESSION = re.compile(r"([0-9a-f]{12})\.([0-9a-f]{32})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A sign-in: the key that was shown, its own random id, and when it expires (Unix seconds)."""

    key_id: str
    id: str
    expires: int


def make_session(secret: bytes, key_id: str, session_id: bytes, now: float) -> str:
    """Return the cookie's value for whoever showed the key with this id.

    ``session_id`` is 16 random bytes, which name the session when it ends.
    """
    claims = f"{key_id}.{session_id.hex()}.{int(now) + SECONDS}"
    return f"{claims}.{_sign(secret, claims)}"


def read_session(secret: bytes, text: str, now: float) -> Session | None:
    """Return the session that a cookie's value names; None unless it is ours and fresh."""
    match = _SESSION.fullmatch(text)
    if match is None:
        return None
    key_id, session_id, expires, signature = match.groups()
    if not hmac.compare_digest(signature, _sign(secret, f"{key_id}.{session_id}.{expires}")):
        return None
    if now >= int(expires):
        return None
    return Session(key_id=key_id, id=session_id, expires=int(expires))


def _sign(secret: bytes, claims: str) -> str:
    return hmac.digest(secret, b"anchor session " + claims.encode("ascii"), "sha256").hex()


def parse_login(body: bytes) -> str:
    """Return the API key that was typed into the form.

    Raises:
        MalformedError: the body is not the form's.
    """
    try:
        fields = parse_qs(
            body.decode("ascii"), strict_parsing=True, max_num_fields=2, errors="strict"
        )
    except ValueError as error:
        raise MalformedError("the form is malformed") from error
    keys = fields.get("key", [])
    if len(keys) != 1:
        raise MalformedError("the form has no key, or more than one")
    return keys[0].strip()


def is_from_here(origin: str | None, host: str | None, scheme: str | None) -> bool:
    """Return whether a form was sent from a page of this site, by what the browser says of it.

    ``scheme`` is how the site is served, where that is known; without it, ``http`` and ``https``
    are both taken.  A program that is no browser says nothing, and brings no cookies of anybody's.
    """
    if origin is None:
        return True
    stated = urlsplit(origin).scheme
    return stated in ((scheme,) if scheme else ("http", "https")) and origin == f"{stated}://{host}"
