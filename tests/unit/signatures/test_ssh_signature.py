"""An SSHSIG is taken apart strictly: one armoured block, version 1, this namespace."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import AnchorError, MalformedError, MismatchError, UnknownVersionError
from anchor.signatures.ssh_signature import MARK, NAMESPACE, read_ssh_signature
from anchor.signatures.trusted_signer import parse_ssh_key

KEY = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def armour(blob: bytes) -> bytes:
    return MARK + b"\n" + base64.encodebytes(blob) + b"-----END SSH SIGNATURE-----\n"


def sshsig(
    namespace: bytes = NAMESPACE.encode(),
    *,
    version: int = 1,
    key: bytes = KEY,
    kind: bytes = b"ssh-ed25519",
) -> bytes:
    parts = (key, namespace, b"", b"sha512", string(kind) + string(bytes(64)))
    return b"SSHSIG" + version.to_bytes(4, "big") + b"".join(map(string, parts))


def test_the_key_and_its_fingerprint_are_those_that_openssh_shows() -> None:
    read = read_ssh_signature(armour(sshsig()))
    assert parse_ssh_key(f"{read.key} somebody@example") == read.key
    # ssh-keygen -l prints it for this key.
    assert read.fingerprint == "SHA256:kmYcvdi2GkPeWxB6XLjrZB8JHsy2Hm8luHMFp9GMvqk"
    assert read_ssh_signature(armour(sshsig()).replace(b"\n", b"\r\n")) == read


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (armour(sshsig()) * 2, MalformedError),
        (armour(sshsig()) + b"x", MalformedError),
        (armour(sshsig())[:-3], MalformedError),
        (armour(sshsig() + b"\0"), MalformedError),
        (armour(sshsig() + string(b"more")), MalformedError),
        (armour(sshsig()[:-1]), MalformedError),
        (armour(b"SSHSIX" + sshsig()[6:]), MalformedError),
        (armour(sshsig(key=b"")), MalformedError),
        (armour(sshsig(b"\xff")), MalformedError),
        (armour(sshsig()).replace(b"U1NI", b"U1N=", 1), MalformedError),
        (armour(sshsig(version=2)), UnknownVersionError),
        (armour(sshsig(b"git")), MismatchError),
        (armour(sshsig(kind=b"rsa-sha2-512")), MismatchError),
        (armour(sshsig(key=string(b"ssh-rsa") + KEY[15:])), MismatchError),
        (armour(sshsig(kind=b"")[:-1]), MalformedError),
        (armour(sshsig(b"")), MismatchError),
        (armour(sshsig(NAMESPACE.encode() + b"\0")), MismatchError),
    ],
)
def test_anything_else_is_refused(data: bytes, error: type[AnchorError]) -> None:
    with pytest.raises(error):
        read_ssh_signature(data)


@given(st.binary(max_size=120), st.integers(0, 90), st.integers(0, 90))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes, start: int, end: int) -> None:
    whole = sshsig()
    for bent in (data, armour(whole[:start] + data + whole[end:])):
        try:
            read_ssh_signature(bent)
        except AnchorError:
            pass


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-rsa " + base64.b64encode(KEY).decode(),
        "ssh-ed25519 " + base64.b64encode(KEY).decode()[:-1],
        "restrict ssh-ed25519 " + base64.b64encode(KEY).decode(),
        "ssh-ed25519 " + base64.b64encode(KEY).decode() + "\nssh-ed25519 AAAA",
        "ssh-ed25519-cert-v01@openssh.com "
        + base64.b64encode(string(b"ssh-ed25519-cert-v01@openssh.com")).decode(),
    ],
)
def test_what_is_no_public_key_names_no_signer(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_ssh_key(text)


def test_a_kind_of_signature_that_is_not_known_is_left_to_openssh() -> None:
    assert read_ssh_signature(armour(sshsig(kind=b"new-kind@openssh.com"))).key
