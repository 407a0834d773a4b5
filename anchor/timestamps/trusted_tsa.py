"""A timestamping authority (TSA) as a trust policy names it: its name and its root certificates."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, encodebytes
from collections.abc import Iterable
from dataclasses import dataclass

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message

# RFC 7468, with one line of base64 or more, and nothing else around it but white space.
_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", re.ASCII
)
_DER_SEQUENCE = 0x30


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedTsa:
    """An authority whose timestamps the verifier accepts; ``roots`` are certificates in DER."""

    name: str
    roots: tuple[bytes, ...]


def parse_roots(text: str) -> tuple[bytes, ...]:
    """Return the certificates of a PEM text, one or more, in DER."""
    blocks = _PEM.findall(text)
    if not blocks or _PEM.sub("", text).strip():
        raise MalformedError(Message("tsa-roots-not-pem"))
    try:
        roots = tuple(b64decode("".join(block.split()), validate=True) for block in blocks)
    except binascii.Error as error:
        raise MalformedError(Message("tsa-roots-not-pem")) from error
    if any(root[:1] != bytes([_DER_SEQUENCE]) for root in roots):
        raise MalformedError(Message("tsa-roots-not-pem"))
    return roots


def encode_roots(roots: Iterable[bytes]) -> str:
    """Return certificates in DER as PEM."""
    return "".join(
        f"-----BEGIN CERTIFICATE-----\n{encodebytes(root).decode()}-----END CERTIFICATE-----\n"
        for root in roots
    )
