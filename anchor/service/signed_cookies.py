"""Values of cookies that only this service can have written."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from typing import Any


def encode_cookie(purpose: str, members: tuple[str | int, ...], secret: bytes) -> str:
    """Return a cookie's value with these members, which serves this purpose only."""
    text = base64.urlsafe_b64encode(json.dumps(members, separators=(",", ":")).encode("ascii"))
    return f"{text.decode('ascii')}.{_sign(purpose, text, secret)}"


def decode_cookie(purpose: str, cookie: str, secret: bytes) -> list[Any] | None:
    """Return the members that ``encode_cookie`` wrote for this purpose; None if it is forged."""
    text, _, signature = cookie.partition(".")
    if not text.isascii() or not signature.isascii():
        return None
    if not hmac.compare_digest(signature, _sign(purpose, text.encode("ascii"), secret)):
        return None
    try:
        members: list[Any] = json.loads(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError):
        return None
    return members


def _sign(purpose: str, text: bytes, secret: bytes) -> str:
    return hmac.digest(secret, f"anchor {purpose} ".encode("ascii") + text, "sha256").hex()
