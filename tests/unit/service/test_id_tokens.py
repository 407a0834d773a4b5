"""ID tokens: made for this sign-in by the provider's own key, or refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from anchor.base.errors import MalformedError
from anchor.service.id_tokens import (
    UnknownSigningKeyError,
    check_response_issuer,
    parse_metadata,
    verify_id_token,
)

AT = 1_800_000_000
ISSUER = "https://id.example"
KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER = RSAKey.generate_key(2048, {"kid": "one"})
KEYS: dict[str, Any] = dict(KeySet([KEY]).as_dict(private=False))
CLAIMS = {
    "iss": ISSUER, "sub": "1", "aud": "anchor", "nonce": "n", "exp": AT + 300, "iat": AT - 1,
}  # fmt: skip


def sign(key: Any = KEY, header: dict[str, Any] | None = None, **claims: Any) -> str:
    members = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    header = {"alg": "RS256", "kid": "one"} | (header or {})
    registry = JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    return jwt.encode(header, members, key, registry=registry)


def encode(part: dict[str, Any] | bytes) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign_by_hand(header: dict[str, Any], make: Callable[[bytes], bytes]) -> str:
    """Sign what the library refuses to."""
    signed = f"{encode(header)}.{encode(CLAIMS)}"
    return f"{signed}.{encode(make(signed.encode()))}"


def sign_rsa(key: RSAKey) -> Callable[[bytes], bytes]:
    return lambda data: key.private_key.sign(data, PKCS1v15(), SHA256())


def verify(token: object, keys: dict[str, Any] = KEYS, access_token: str | None = None) -> Any:
    return verify_id_token(
        token, keys, issuer=ISSUER, client_id="anchor", nonce="n",
        access_token=access_token, at=float(AT),
    )  # fmt: skip


def test_a_token_for_this_sign_in_gives_its_claims() -> None:
    assert verify(sign())["sub"] == "1"
    assert verify(sign_by_hand({"alg": "RS256", "kid": "one"}, sign_rsa(KEY)))["sub"] == "1"
    assert verify(sign(aud=["anchor", "other"], azp="anchor"))["sub"] == "1"
    half = hashlib.sha256(b"access").digest()[:16]
    at_hash = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert verify(sign(at_hash=at_hash), access_token="access")["sub"] == "1"


@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "PS256"])
def test_other_signatures_by_public_keys_are_accepted(alg: str) -> None:
    keys: dict[str, Any] = {
        "ES256": ECKey.generate_key("P-256", {"kid": "one"}),
        "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "one"}),
        "PS256": KEY,
    }
    jwks: dict[str, Any] = dict(KeySet([keys[alg]]).as_dict(private=False))
    assert verify(sign(keys[alg], {"alg": alg}), jwks)["sub"] == "1"


PEM = KEY.as_pem(private=False)
BENT: dict[str, Callable[[], object]] = {
    "another issuer": lambda: sign(iss=ISSUER + "/"),
    "no issuer": lambda: sign(iss=None),
    "another audience": lambda: sign(aud="other"),
    "no audience": lambda: sign(aud=None),
    "an empty audience": lambda: sign(aud=[]),
    "an audience that is a part": lambda: sign(aud="anchor2"),
    "several audiences and no authorised party": lambda: sign(aud=["anchor", "other"]),
    "another authorised party": lambda: sign(azp="other"),
    "another nonce": lambda: sign(nonce="m"),
    "no nonce": lambda: sign(nonce=None),
    "expired": lambda: sign(exp=AT - 61),
    "no end": lambda: sign(exp=None),
    "an end that is text": lambda: sign(exp=str(AT + 300)),
    "an end that is true": lambda: sign(exp=True),
    "made in the future": lambda: sign(iat=AT + 120),
    "no time of making": lambda: sign(iat=None),
    "not valid yet": lambda: sign(nbf=AT + 120),
    "no subject": lambda: sign(sub=None),
    "a subject that is a number": lambda: sign(sub=1),
    "another access token": lambda: sign(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "another key": lambda: sign(OTHER),
    "no signature": lambda: f"{encode({'alg': 'none'})}.{encode(CLAIMS)}.",
    "no signature, kid given": lambda: f"{encode({'alg': 'none', 'kid': 'one'})}.{encode(CLAIMS)}.",
    "a signature left out": lambda: sign().rpartition(".")[0] + ".",
    "the public key as a secret": lambda: sign_by_hand(
        {"alg": "HS256", "kid": "one"}, lambda data: hmac.digest(PEM, data, "sha256")
    ),
    "its own key": lambda: sign_by_hand(
        {"alg": "RS256", "jwk": OTHER.as_dict(private=False)}, sign_rsa(OTHER)
    ),
    "claims of another": lambda: ".".join(
        [sign().split(".")[0], encode(CLAIMS | {"sub": "2"}), sign().split(".")[2]]
    ),
    "an extension that is critical": lambda: sign_by_hand(
        {"alg": "RS256", "kid": "one", "crit": ["x"], "x": 1}, sign_rsa(KEY)
    ),
    "no text": lambda: None,
    "a number": lambda: 7,
    "nothing": lambda: "",
    "two parts": lambda: "a.b",
    "five parts": lambda: "a.b.c.d.e",
    "too long": lambda: "a" * 40_000 + ".b.c",
    "claims that are a list": lambda: sign().split(".")[0] + "." + encode({}) + "x.c",
    "deeply nested": lambda: f"{encode({'alg': 'RS256'})}.{'W1tb' * 5_000}.c",
    "not ASCII": lambda: "é.é.é",
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_token_signs_nobody_in(name: str) -> None:
    with pytest.raises(MalformedError):
        verify(BENT[name](), access_token="access")


def test_a_shared_secret_among_the_providers_keys_verifies_nothing() -> None:
    secret = OctKey.import_key("s" * 32, {"kid": "one"})
    keys: dict[str, Any] = dict(KeySet([secret]).as_dict(private=True))
    with pytest.raises(MalformedError):
        verify(sign(secret, {"alg": "HS256"}), keys)


def test_a_token_of_an_unknown_key_is_told_apart() -> None:
    with pytest.raises(UnknownSigningKeyError):
        verify(sign(header={"kid": "two"}))


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": 1}, {"keys": [{"kty": "x"}]}])
def test_keys_that_are_none_verify_nothing(keys: dict[str, Any]) -> None:
    with pytest.raises((MalformedError, UnknownSigningKeyError)):
        verify(sign(), keys)


DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/a?x=1",
    "token_endpoint": f"{ISSUER}/t",
    "jwks_uri": "http://localhost:8/k",
}


def test_a_discovery_document_is_that_of_the_issuer_and_names_addresses_with_tls() -> None:
    assert parse_metadata(DOCUMENT, ISSUER).token_endpoint == f"{ISSUER}/t"
    for change in (
        {"issuer": ISSUER + "/"}, {"issuer": None}, {"token_endpoint": "http://id.example/t"},
        {"jwks_uri": "file:///etc/passwd"}, {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": 7}, {"jwks_uri": "https://user@id.example/k"},
        {"token_endpoint_auth_methods_supported": "x"}, {"jwks_uri": "https://["},
    ):  # fmt: skip
        with pytest.raises(MalformedError):
            parse_metadata(DOCUMENT | change, ISSUER)
    for document in (None, [], "x", {}):
        with pytest.raises(MalformedError):
            parse_metadata(document, ISSUER)


def test_an_answer_of_another_provider_is_refused() -> None:
    plain = parse_metadata(DOCUMENT, ISSUER)
    always = parse_metadata(
        DOCUMENT | {"authorization_response_iss_parameter_supported": True}, ISSUER
    )
    check_response_issuer(plain, ISSUER, None)
    check_response_issuer(always, ISSUER, ISSUER)
    for metadata, stated in ((plain, "https://evil.example"), (always, None), (plain, "")):
        with pytest.raises(MalformedError):
            check_response_issuer(metadata, ISSUER, stated)
