"""Who is signed in to the dashboard: a signed cookie that names an API key, never the key itself.

The cookie holds until it expires, the key is revoked or the service starts anew, whichever comes
first: the key is looked up with every request.  It goes to this site alone and with no request that
another site causes (``SameSite=Strict``), and scripts cannot read it (``HttpOnly``).
"""

from __future__ import annotations

import hmac
import re
from urllib.parse import parse_qs, urlsplit

from anchor.errors import MalformedError

COOKIE = "anchor_session"
SECONDS = 12 * 3_600

_SESSION = re.compile(r"([0-9a-f]{12})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


def make_session(secret: bytes, key_id: str, now: float) -> str:
    """Return the cookie's value for whoever showed the key with this id."""
    claims = f"{key_id}.{int(now) + SECONDS}"
    return f"{claims}.{_sign(secret, claims)}"


def read_session(secret: bytes, text: str, now: float) -> str | None:
    """Return the id of the key that a cookie's value names; None unless it is ours and fresh."""
    match = _SESSION.fullmatch(text)
    if match is None:
        return None
    key_id, expires, signature = match.groups()
    if not hmac.compare_digest(signature, _sign(secret, f"{key_id}.{expires}")):
        return None
    return key_id if now < int(expires) else None


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


def is_from_here(origin: str | None, host: str | None) -> bool:
    """Say whether a form was sent from a page of this site, by what the browser says of it.

    A program that is no browser says nothing, and brings no cookies of anybody's.
    """
    return origin is None or (host is not None and urlsplit(origin).netloc == host)
