"""The outermost DER of an RFC 3161 token: whether it is one, and the answer that grants it.

``reading`` translates the errors of the libraries that decode the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from anchor.errors import CannotCheckError
from anchor.messages.message import Message

# ContentInfo: a SEQUENCE whose first member is the OID of signedData (RFC 5652, 3 and 5.1).
_SEQUENCE = 0x30
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_INDEFINITE = 0x80
# PKIStatusInfo with the status "granted", which a bare token lacks (RFC 3161, 2.4.2).
_GRANTED = bytes.fromhex("3003020100")


@contextmanager
def reading() -> Iterator[None]:
    """Translate what the libraries raise in the block for bytes that they do not support.

    Raises:
        CannotCheckError: The block raised such an error.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        yield
    except (
        ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion,
        x509.DuplicateExtension, x509.UnsupportedGeneralNameType,
    ) as error:  # fmt: skip
        reason = f"{type(error).__name__}: {error}"[:80]
        raise CannotCheckError(Message("timestamp-not-readable", reason=reason)) from error


def wrap_token(token: bytes) -> bytes:
    """Return the answer (TimeStampResp) that granted a token."""
    return _encode_sequence(_GRANTED + token)


def is_signed_data(data: bytes) -> bool:
    """Return whether the bytes are, by their outermost header and length, CMS signed data."""
    if len(data) < 2 or data[0] != _SEQUENCE:
        return False
    first = data[1]
    more = first - _INDEFINITE if first > _INDEFINITE else 0
    start = 2 + more
    if more > 4 or data[start : start + len(_SIGNED_DATA)] != _SIGNED_DATA:
        return False
    # BER's indefinite length ends in two zero octets; the strict parser refuses it.
    length = int.from_bytes(data[2:start], "big") if more else first
    return first == _INDEFINITE or start + length == len(data)


def _encode_sequence(body: bytes) -> bytes:
    size = len(body).to_bytes(4, "big").lstrip(b"\0")
    header = bytes([len(body)]) if len(body) < _INDEFINITE else bytes([_INDEFINITE + len(size)])
    return bytes([_SEQUENCE]) + header + (b"" if len(body) < _INDEFINITE else size) + body
