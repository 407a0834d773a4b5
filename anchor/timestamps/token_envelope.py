"""The DER of an RFC 3161 token: whether it is one, its answer, and what its signer states.

``reading`` translates the errors of the libraries that decode the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message

# ContentInfo: a SEQUENCE whose first member is the OID of signedData (RFC 5652, 3 and 5.1).
_SEQUENCE = 0x30
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_INDEFINITE = 0x80
# PKIStatusInfo with the status "granted", which a bare token lacks (RFC 3161, 2.4.2).
_GRANTED = bytes.fromhex("3003020100")
_OCTETS, _OID, _SET, _FIRST = 0x04, 0x06, 0x31, 0xA0
# signingCertificate and signingCertificateV2 (RFC 5035).
SIGNING_CERTIFICATE = (
    bytes.fromhex("2a864886f70d010910020c"),
    bytes.fromhex("2a864886f70d010910022f"),
)
_SHA1 = bytes.fromhex("2b0e03021a")
_SHA256 = bytes.fromhex("608648016503040201")

Value = tuple[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedSigner:
    """What a token's signer states: the digest of the signed attributes, and the certificates.

    Each certificate is the OID of an algorithm (in DER, like ``algorithm``) and a digest by it.
    """

    algorithm: bytes
    certificates: tuple[tuple[bytes, bytes], ...]


@contextmanager
def reading() -> Iterator[None]:
    """Translate what the libraries raise in the block for bytes that they do not support."""
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


def read_signer(token: bytes) -> StatedSigner:
    """Return what the only signer of a token states; nothing of it is verified."""
    (outer,) = list_values(token)
    _, (_, explicit) = expect(outer, _SEQUENCE)
    (body,) = list_values(explicit)
    (signer,) = expect(expect(body, _SEQUENCE)[-1], _SET)
    _, _, algorithm, signed, *_ = expect(signer, _SEQUENCE)
    attributes = [expect(each, _SEQUENCE) for each in list_values(signed[1])]
    return StatedSigner(
        algorithm=_read_oid(algorithm),
        certificates=tuple(
            _read_certificate(value, by_sha1=name == SIGNING_CERTIFICATE[0])
            for (_, name), values in (attributes if signed[0] == _FIRST else ())
            if name in SIGNING_CERTIFICATE
            for value in expect(values, _SET)
        ),
    )


def _read_certificate(value: Value, *, by_sha1: bool) -> tuple[bytes, bytes]:
    """Return the first certificate that a signingCertificate names, which is the signer's."""
    named, *_ = expect(expect(value, _SEQUENCE)[0], _SEQUENCE)
    first, *more = expect(named, _SEQUENCE)
    algorithm = _SHA1 if by_sha1 else _SHA256  # the default
    if first[0] == _SEQUENCE and not by_sha1:
        algorithm, first = _read_oid(first), more[0]
    if first[0] != _OCTETS:
        raise ValueError("no digest of a certificate")
    return algorithm, first[1]


def _read_oid(algorithm: Value) -> bytes:
    (kind, oid), *_ = expect(algorithm, _SEQUENCE)
    if kind != _OID:
        raise ValueError("no algorithm")
    return oid


def _encode_sequence(body: bytes) -> bytes:
    size = len(body).to_bytes(4, "big").lstrip(b"\0")
    header = bytes([len(body)]) if len(body) < _INDEFINITE else bytes([_INDEFINITE + len(size)])
    return bytes([_SEQUENCE]) + header + (b"" if len(body) < _INDEFINITE else size) + body


def expect(value: Value, tag: int) -> list[Value]:
    """Return the values inside one that has this tag."""
    if value[0] != tag:
        raise ValueError("another tag")
    return list(list_values(value[1]))


def list_values(data: bytes) -> Iterator[Value]:
    """Yield the tag and the content of each value (X.690, 8.1)."""
    at = 0
    while at < len(data):
        header = data[at : at + 2]
        if len(header) < 2 or header[0] & 0x1F == 0x1F:
            raise ValueError("no header")
        at, length = at + 2, header[1]
        if length & 0x80:
            more = length & 0x7F
            if not 1 <= more <= 4 or at + more > len(data):
                raise ValueError("no definite length")
            length, at = int.from_bytes(data[at : at + more], "big"), at + more
        if at + length > len(data):
            raise ValueError("cut short")
        yield header[0], data[at : at + length]
        at += length
