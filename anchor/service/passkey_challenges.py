"""Challenges of passkeys, in signed cookies: only this browser and session may answer one."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastapi import Request
from fastapi.responses import Response

from anchor.base.messages.message import Message
from anchor.people.passkey_rules import CHALLENGE_SECONDS
from anchor.service.problems import Problem
from anchor.service.session_cookies import is_over_tls
from anchor.service.signed_cookies import decode_cookie, encode_cookie

if TYPE_CHECKING:
    from anchor.service.passkey_ceremony import PasskeyCeremony

SIGN_IN: Final = ""
"""Stands for the session of a challenge by which somebody signs in: there is none yet."""

_NAME: Final = "anchor_passkey"
_PURPOSE: Final = "passkey"
_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChallenge:
    """A challenge, the id of the session that may answer it, and until when (Unix seconds)."""

    challenge: bytes
    session: str
    expires: int


def make_challenge(session: str, at: float) -> OpenChallenge:
    """Return a new challenge for a session."""
    return OpenChallenge(
        challenge=secrets.token_bytes(_BYTES), session=session, expires=int(at) + CHALLENGE_SECONDS
    )


def encode_challenge(open_challenge: OpenChallenge, secret: bytes) -> str:
    """Return the cookie's value."""
    members = (open_challenge.challenge.hex(), open_challenge.session, open_challenge.expires)
    return encode_cookie(_PURPOSE, members, secret)


def decode_challenge(cookie: str, session: str, secret: bytes, at: float) -> bytes | None:
    """Return the challenge; None if it is forged, has expired, or is another session's."""
    members = decode_cookie(_PURPOSE, cookie, secret)
    if members is None:
        return None
    challenge, owner, expires = members
    return bytes.fromhex(challenge) if owner == session and at < expires else None


def hand_out(request: Request, answer: Response, made: OpenChallenge, secret: bytes) -> None:
    """Give a challenge to the browser, in place of an earlier one."""
    is_secure = is_over_tls(request)
    answer.set_cookie(
        _cookie_name(is_secure=is_secure),
        encode_challenge(made, secret),
        max_age=CHALLENGE_SECONDS,
        httponly=True,
        samesite="strict",
        secure=is_secure,
    )


def need_challenge(request: Request, session: str, secret: bytes) -> bytes:
    """Return the challenge that the browser answers.

    Raises:
        Problem: It has none for this session, or the time is over (400).
    """
    cookie = request.cookies.get(_cookie_name(is_secure=is_over_tls(request)), "")
    challenge = decode_challenge(cookie, session, secret, time.time())
    if challenge is None:
        raise Problem(400, Message("passkey-challenge-expired"))
    return challenge


def find_ceremony(request: Request) -> PasskeyCeremony | None:
    """Return the ceremonies of this site; None where there are no passkeys."""
    ceremony: PasskeyCeremony | None = request.scope["state"]["passkeys"]
    return ceremony


def need_ceremony(request: Request) -> PasskeyCeremony:
    """Return the ceremonies of this site."""
    ceremony = find_ceremony(request)
    if ceremony is None:
        raise Problem(404, Message("address-not-found"))
    return ceremony


def _cookie_name(*, is_secure: bool) -> str:
    return f"{'__Host-' if is_secure else ''}{_NAME}"
