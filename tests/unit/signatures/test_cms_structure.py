"""What is read of a CMS signature before OpenSSL verifies it: DER only, one signer, detached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import AnchorError, CannotCheckError, MalformedError
from anchor.signatures.cms_structure import SHA256_OID, is_signed_data, read_cms

SIGNED_DATA, DATA = "2a864886f70d010702", "2a864886f70d010701"
CONTENT_TYPE, DIGEST = "2a864886f70d010903", "2a864886f70d010904"
CERTIFICATE_V1, CERTIFICATE_V2 = "2a864886f70d010910020c", "2a864886f70d010910022f"
IMPRINT = bytes(range(32))


def value(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    return bytes([tag, 0x82]) + len(body).to_bytes(2, "big") + body


def oid(text: str) -> bytes:
    return value(0x06, bytes.fromhex(text))


def attribute(name: str, *values: bytes) -> bytes:
    return value(0x30, oid(name), value(0x31, *values))


ATTRIBUTES = (
    attribute(CONTENT_TYPE, oid(DATA)),
    attribute(DIGEST, value(0x04, IMPRINT)),
    attribute(CERTIFICATE_V2, value(0x30)),
)


def signer(*attributes: bytes, algorithm: bytes = SHA256_OID) -> bytes:
    signed = [value(0xA0, *attributes)] if attributes else []
    return value(
        0x30, b"\x02\x01\x01", value(0x30), value(0x30, value(0x06, algorithm)), *signed,
        value(0x30), value(0x04, b"signature"),
    )  # fmt: skip


def cms(*signers: bytes, content: bytes = b"", certificates: bytes = b"") -> bytes:
    body = value(
        0x30, b"\x02\x01\x01", value(0x31), value(0x30, oid(DATA), content), certificates,
        value(0x31, *signers),
    )  # fmt: skip
    return value(0x30, oid(SIGNED_DATA), value(0xA0, body))


GOOD = cms(signer(*ATTRIBUTES), certificates=value(0xA0, bytes(300)))


def test_the_digest_that_one_signer_states_is_read() -> None:
    assert is_signed_data(GOOD)
    stated = read_cms(GOOD)
    assert (stated.algorithm, stated.message_digest) == (SHA256_OID, IMPRINT)
    older = (*ATTRIBUTES[:2], attribute(CERTIFICATE_V1, value(0x30)))
    assert read_cms(cms(signer(*older))).message_digest == IMPRINT


@pytest.mark.parametrize(
    ("data", "error", "id"),
    [
        (GOOD + GOOD, MalformedError, "signature-followed"),
        (GOOD + b"\0\0", MalformedError, "signature-followed"),
        (
            cms(signer(*ATTRIBUTES), content=value(0xA0, value(0x04, b"x"))),
            MalformedError, "signature-not-detached",
        ),
        (cms(), CannotCheckError, "signature-signers-several"),
        (cms(*[signer(*ATTRIBUTES)] * 2), CannotCheckError, "signature-signers-several"),
        (cms(signer()), MalformedError, "signature-not-cades"),
        (cms(signer(*ATTRIBUTES[:2])), MalformedError, "signature-not-cades"),
        (cms(signer(ATTRIBUTES[0], ATTRIBUTES[2])), CannotCheckError, "signature-not-der"),
        # Two digests: readers differ on which one counts.
        (cms(signer(*ATTRIBUTES, ATTRIBUTES[1])), CannotCheckError, "signature-not-der"),
        (
            cms(signer(attribute(DIGEST, *[value(0x04, IMPRINT)] * 2), ATTRIBUTES[2])),
            CannotCheckError, "signature-not-der",
        ),
        (
            cms(signer(attribute(DIGEST, value(0x0C, IMPRINT)), ATTRIBUTES[2])),
            CannotCheckError, "signature-not-der",
        ),
        (GOOD[:-1], CannotCheckError, "signature-not-der"),
        (b"\x30\x80" + GOOD[4:] + b"\0\0", CannotCheckError, "signature-not-der"),
        (b"\x30\x03" + oid("2a"), CannotCheckError, "signature-not-der"),
        (b"", CannotCheckError, "signature-not-der"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_or_not_judged(
    data: bytes, error: type[AnchorError], id: str
) -> None:
    with pytest.raises(error) as caught:
        read_cms(data)
    assert caught.value.message.id == id


@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, len(GOOD)))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes, start: int, end: int) -> None:
    for bent in (data, GOOD[:start] + data + GOOD[end:]):
        try:
            read_cms(bent)
        except AnchorError:
            pass
