"""What the answers of authenticators say of the page that asked."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

from anchor.people.passkey_rules import RelyingParty
from anchor.service.passkey_ceremony import PasskeyCeremony
from anchor.service.problems import Problem
from anchor.store.passkeys import Passkey

SITE = RelyingParty(id="anchor.example", origin="https://anchor.example")
CHALLENGE = os.urandom(32)
FRAMES = [{"crossOrigin": True}, {"topOrigin": "https://evil.example"}]


class Authenticator:
    """One key in software, which signs whatever client data it is given."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self.credential = os.urandom(16)
        self.public_key = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        )

    def make(self, **stated: object) -> str:
        attested = bytes(16) + len(self.credential).to_bytes(2) + self.credential
        data = _data(0x45) + attested + self.public_key
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            clientDataJSON=_client_data("webauthn.create", stated), attestationObject=attestation
        )

    def sign_in(self, **stated: object) -> str:
        client_data, data = _client_data("webauthn.get", stated), _data(0x05)
        signed = data + hashlib.sha256(client_data).digest()
        return self._answer(
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=self._key.sign(signed, ec.ECDSA(hashes.SHA256())),
        )

    def _answer(self, **members: bytes) -> str:
        id = bytes_to_base64url(self.credential)
        response = {name: bytes_to_base64url(value) for name, value in members.items()}
        return json.dumps({"id": id, "rawId": id, "type": "public-key", "response": response})


def _data(flags: int) -> bytes:
    return hashlib.sha256(SITE.id.encode()).digest() + bytes([flags]) + bytes(4)


def _client_data(kind: str, stated: dict[str, Any]) -> bytes:
    challenge = bytes_to_base64url(CHALLENGE)
    return json.dumps(
        {"type": kind, "challenge": challenge, "origin": SITE.origin, "crossOrigin": False} | stated
    ).encode()


@pytest.mark.parametrize("stated", FRAMES)
def test_a_passkey_made_in_a_frame_of_another_site_is_refused(stated: dict[str, Any]) -> None:
    ceremony, device = PasskeyCeremony(SITE), Authenticator()
    made = ceremony.check_new(device.make(), CHALLENGE)
    assert made.credential == device.credential
    with pytest.raises(Problem) as refused:
        ceremony.check_new(device.make(**stated), CHALLENGE)
    assert refused.value.status == 400


@pytest.mark.parametrize("stated", FRAMES)
def test_a_sign_in_from_a_frame_of_another_site_is_refused(stated: dict[str, Any]) -> None:
    ceremony, device = PasskeyCeremony(SITE), Authenticator()
    passkey: Any = type("Known", (Passkey,), {"__init__": lambda self: None})()
    object.__setattr__(passkey, "public_key", device.public_key)
    assert ceremony.check_sign_in(device.sign_in(), passkey, CHALLENGE) == 0
    with pytest.raises(Problem) as refused:
        ceremony.check_sign_in(device.sign_in(**stated), passkey, CHALLENGE)
    assert refused.value.status == 400
