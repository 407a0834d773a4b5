"""The rules by which a provider's documents are accepted (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from joserfc.jws import JWSRegistry

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.project.sign_in_config import is_fit_url

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519",
)  # fmt: skip
"""Signatures by public keys.  With a shared secret (HS256), or none, everybody could sign."""

# Seconds that the provider's clock may differ from ours.
_LEEWAY: Final = 60
_MAX_TOKEN: Final = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMetadata:
    """What a provider's discovery document says of it; ``sends_issuer``: RFC 9207."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    auth_methods: tuple[str, ...]
    sends_issuer: bool


class UnknownSigningKeyError(Exception):
    """The token names a key that is not among the provider's keys."""


def parse_metadata(document: object, issuer: str) -> ProviderMetadata:
    """Return a discovery document's contents (OpenID Connect Discovery 4.3).

    Raises:
        MalformedError: It is another issuer's, or lacks an endpoint, or names one without TLS.
    """
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise MalformedError(Message("provider-issuer-differs"))
    endpoints: dict[str, str] = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        url = document.get(name)
        if not isinstance(url, str) or not is_fit_url(url.partition("?")[0]):
            raise MalformedError(Message("provider-endpoint-unfit", member=name))
        endpoints[name] = url
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if not isinstance(methods, list):
        raise MalformedError(Message("provider-metadata-malformed"))
    return ProviderMetadata(
        **endpoints,
        auth_methods=tuple(method for method in methods if isinstance(method, str)),
        sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def check_response_issuer(metadata: ProviderMetadata, issuer: str, stated: str | None) -> None:
    """Check the ``iss`` of an authorization response (RFC 9207).

    Raises:
        MalformedError: It names another issuer, or is missing where the provider always sends it.
    """
    if stated != issuer and (stated is not None or metadata.sends_issuer):
        raise MalformedError(Message("sign-in-issuer-differs"))


def verify_id_token(
    token: object,
    keys: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    at: float,
) -> dict[str, object]:
    """Return the claims of an ID token that was made for this sign-in.

    ``keys`` is the provider's JWK set, ``at`` the time in Unix seconds.
    """
    if not isinstance(token, str) or len(token) > _MAX_TOKEN:
        raise MalformedError(Message("id-token-missing"))
    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    options = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": client_id},
    }
    parameters = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    try:
        decoded = jwt.decode(
            token, KeySet.import_key_set(cast(KeySetSerialization, dict(keys))), registry=registry
        )
        claims = CodeIDToken(decoded.claims, decoded.header, options, parameters)
        claims.validate(int(at), _LEEWAY)
    except InvalidKeyIdError as error:
        raise UnknownSigningKeyError from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        # The library raises many kinds for a token that is bent; none of them signs anybody in.
        raise MalformedError(Message("id-token-refused", reason=type(error).__name__)) from error
    return dict(claims)
