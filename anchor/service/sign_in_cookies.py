"""The short-lived, signed cookie of one sign-in: it binds the provider's answer to this browser.

Browsers send it with the redirect back from the provider (``SameSite=Lax``).  Each sign-in has a
cookie of its own, so that two of them can go on in two tabs.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from anchor.service.signed_cookies import decode_cookie, encode_cookie

CALLBACK: Final = "/login/callback"
"""The path to which a provider sends people back; the provider's name follows."""
MINUTES: Final = 10
"""The time for signing in at the provider."""

_NAME: Final = "anchor_sign_in_"
_PURPOSE: Final = "sign-in"
# Cookies of sign-ins that were begun and not finished, above which the oldest are removed.
_MOST_OPEN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInAttempt:
    """The random values of one sign-in: ``state`` and ``nonce`` bind the answers to it."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSignIn:
    """A sign-in that a browser has begun: with which provider, where to go after it, until when."""

    provider: str
    attempt: SignInAttempt
    next: str
    expires: int


def begin_sign_in(provider: str, back: str, at: float) -> OpenSignIn:
    """Return a new sign-in; ``at`` is in Unix seconds."""
    attempt = SignInAttempt(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        # RFC 7636, 4.1: 43 to 128 characters.
        verifier=secrets.token_urlsafe(48),
    )
    return OpenSignIn(provider=provider, attempt=attempt, next=back, expires=int(at) + 60 * MINUTES)


def cookie_name(state: str, *, is_secure: bool) -> str:
    """Return the name of the cookie of the sign-in with this state."""
    suffix = "".join(char for char in state[:12] if char.isascii() and char.isalnum())
    return f"{'__Host-' if is_secure else ''}{_NAME}{suffix}"


def list_surplus(cookies: list[str]) -> list[str]:
    """Return the cookies of other open sign-ins to remove, of the names that a browser sent."""
    is_ours = [name for name in cookies if name.removeprefix("__Host-").startswith(_NAME)]
    return is_ours[:-_MOST_OPEN]


def encode_sign_in(open_sign_in: OpenSignIn, secret: bytes) -> str:
    """Return the cookie's value."""
    attempt = open_sign_in.attempt
    members = (
        open_sign_in.provider, attempt.state, attempt.nonce, attempt.verifier,
        open_sign_in.next, open_sign_in.expires,
    )  # fmt: skip
    return encode_cookie(_PURPOSE, members, secret)


def decode_sign_in(cookie: str, secret: bytes, at: float) -> OpenSignIn | None:
    """Return the sign-in in a cookie's value; None if it is forged or has expired."""
    members = decode_cookie(_PURPOSE, cookie, secret)
    if members is None:
        return None
    provider, state, nonce, verifier, back, expires = members
    if at >= expires:
        return None
    attempt = SignInAttempt(state=state, nonce=nonce, verifier=verifier)
    return OpenSignIn(provider=provider, attempt=attempt, next=back, expires=expires)
