"""The parts of a CMS signature (RFC 5652) that are compared before OpenSSL verifies it.

Only DER is read: definite lengths, one value and nothing after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from anchor.base.errors import CannotCheckError, MalformedError
from anchor.base.messages.message import Message
from anchor.timestamps.token_envelope import SIGNING_CERTIFICATE, Value, expect, list_values

_OCTETS, _OID, _SEQUENCE, _SET = 0x04, 0x06, 0x30, 0x31
_FIRST = 0xA0
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
SHA256_OID = bytes.fromhex("608648016503040201")


@dataclass(frozen=True, slots=True, kw_only=True)
class CmsStructure:
    """What a detached signature by one signer states; ``algorithm`` is the digest's OID in DER."""

    algorithm: bytes
    message_digest: bytes


def is_signed_data(data: bytes) -> bool:
    """Return whether the bytes begin like CMS signed data in DER or BER."""
    return data[:1] == bytes([_SEQUENCE]) and _SIGNED_DATA in data[:24]


def read_cms(data: bytes) -> CmsStructure:
    """Return the digest that a CMS signature states; nothing of it is verified.

    Raises:
        MalformedError: The signature is not detached, not CAdES-BES, or something follows it.
        CannotCheckError: It has several signers, or is not in DER.
    """
    try:
        (outer, *more) = list_values(data)
        if more:
            raise MalformedError(Message("signature-followed"))
        (_, (_, explicit)) = expect(outer, _SEQUENCE)
        ((kind, body),) = list_values(explicit)
        content, signers = _read_signed_data(body if kind == _SEQUENCE else b"")
        if len(content) != 1:
            raise MalformedError(Message("signature-not-detached"))
        if len(signers) != 1:
            raise CannotCheckError(Message("signature-signers-several", count=len(signers)))
        return _read_signer(signers[0])
    except ValueError as error:
        raise CannotCheckError(Message("signature-not-der")) from error


def _read_signed_data(body: bytes) -> tuple[list[Value], list[Value]]:
    """Return the parts of the encapsulated content, and the signers."""
    parts = list(list_values(body))
    content = expect(parts[2] if len(parts) > 3 else (0, b""), _SEQUENCE)
    return content, expect(parts[-1], _SET)


def _read_signer(signer: Value) -> CmsStructure:
    _, _, algorithm, signed, *_ = expect(signer, _SEQUENCE)
    (kind, oid), *_ = expect(algorithm, _SEQUENCE)
    if kind != _OID or signed[0] != _FIRST:
        # Without signed attributes there is no messageDigest, and no signing certificate.
        raise MalformedError(Message("signature-not-cades"))
    attributes = [expect(each, _SEQUENCE) for each in list_values(signed[1])]
    named = {
        each: [values for (_, name), values in attributes if name == each]
        for each in (_MESSAGE_DIGEST, *SIGNING_CERTIFICATE)
    }
    if not any(named[each] for each in SIGNING_CERTIFICATE):
        raise MalformedError(Message("signature-not-cades"))
    (values,) = named[_MESSAGE_DIGEST]
    ((tag, digest),) = expect(values, _SET)
    if tag != _OCTETS:
        raise ValueError("no digest")
    return CmsStructure(algorithm=oid, message_digest=digest)
