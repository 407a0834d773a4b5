"""Signatures of webhooks by Standard Webhooks 1.0: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

SECRET_BYTES: Final = 32
"""The length of a new secret; the specification allows 24 to 64 bytes."""
ROTATION_SECONDS: Final = 24 * 3_600
"""How long messages are signed with the former secret, too, after a rotation."""

_PREFIX: Final = "whsec_"


def encode_secret(random: bytes) -> str:
    """Return a secret as it is shown and stored: ``whsec_`` and base64."""
    return _PREFIX + base64.b64encode(random).decode("ascii")


def sign_message(secrets: Sequence[str], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a message, signed with each of the secrets."""
    signed = f"{id}.{timestamp}.".encode("ascii") + body
    signatures = (
        hmac.digest(base64.b64decode(secret.removeprefix(_PREFIX)), signed, hashlib.sha256)
        for secret in secrets
    )
    encoded = (f"v1,{base64.b64encode(each).decode('ascii')}" for each in signatures)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(encoded),
    }
