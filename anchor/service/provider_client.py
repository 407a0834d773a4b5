"""A sign-in provider (OpenID Connect): its addresses, its keys, and the person behind a code.

The provider is contacted only during a sign-in that a user started with it, over bounded HTTP.
"""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final
from urllib.parse import quote_plus

import requests
from authlib.integrations.requests_client.oauth2_session import OAuth2ClientAuth
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client

from anchor.base.errors import MalformedError
from anchor.base.messages.message import Message
from anchor.base.system.http import BadResponse, BoundedSession, format_failure
from anchor.people.stated_person import StatedPerson, read_claims
from anchor.project.sign_in_config import SignInConfig
from anchor.service.id_tokens import (
    ProviderMetadata,
    UnknownSigningKeyError,
    check_response_issuer,
    parse_metadata,
    verify_id_token,
)
from anchor.service.problems import RETRY_LATER, Problem
from anchor.service.proof_queue import ProofQueue
from anchor.service.sign_in_cookies import CALLBACK, SignInAttempt

_LOG = logging.getLogger("anchor.service")

_BASIC: Final = "client_secret_basic"
_POST: Final = "client_secret_post"
_DISCOVERY: Final = "/.well-known/openid-configuration"
# Seconds for one exchange, and bytes of its answer: key sets of large providers take some 10 KiB.
_TIMEOUT: Final = 10.0
_MAX_BYTES: Final = 256 * 1024
# Seconds for which addresses and keys are not asked for again; and the least between two requests
# for keys because of a token that names an unknown one.
_FRESH: Final = 3_600.0
_RENEWAL: Final = 60.0


class ProviderClient:
    """One configured provider, as a worker knows it; its methods are called one at a time."""

    def __init__(
        self, config: SignInConfig, base_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        """Create the client; ``base_url`` is the address of this site's pages."""
        self.config = config
        self.queue = ProofQueue(f"sign-in-{config.name}")
        self._redirect_uri = f"{base_url}{CALLBACK}/{config.name}"
        self._clock = clock
        self._metadata: ProviderMetadata | None = None
        self._keys: dict[str, Any] | None = None
        self._loaded_at = 0.0
        self._renewed_at = 0.0

    def build_address(self, attempt: SignInAttempt) -> str:
        """Return the provider's address to which the browser goes.

        Raises:
            Problem: The provider does not answer as it has to (503).
        """
        metadata = self._load_metadata()
        with self._open_session() as session:
            address, _ = self._make_client(session, metadata).create_authorization_url(
                metadata.authorization_endpoint,
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
            )
        return str(address)

    def fetch_person(
        self, attempt: SignInAttempt, code: str, stated_issuer: str | None
    ) -> StatedPerson:
        """Return the person for whom the provider issued the code.

        Raises:
            Problem: The code, or what the provider gives for it, is not valid (400), or the
                provider does not answer as it has to (503).
        """
        metadata = self._load_metadata()
        try:
            check_response_issuer(metadata, self.config.issuer, stated_issuer)
            token = self._redeem(metadata, attempt, code)
            claims = self._verify(metadata, attempt, token)
        except MalformedError as error:
            raise Problem(400, Message("sign-in-not-valid", reason=error.message)) from error
        person = read_claims(self.config.issuer, claims)
        if person is None:
            raise Problem(400, Message("sign-in-not-valid", reason=Message("id-token-no-subject")))
        return person

    def _redeem(
        self, metadata: ProviderMetadata, attempt: SignInAttempt, code: str
    ) -> dict[str, Any]:
        with self._open_session() as session:
            try:
                token = self._make_client(session, metadata).fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=self._redirect_uri,
                    code_verifier=attempt.verifier,
                )
            except OAuth2Error as error:
                if error.error != "invalid_grant":  # the client's id or secret, for the operator
                    raise self._away(Message("provider-refuses-client")) from error
                # A replayed or expired code; the provider's own words could say anything.
                raise MalformedError(Message("sign-in-code-refused")) from error
            except requests.HTTPError as error:
                raise self._away(Message("provider-answer-wrong")) from error
            except (BadResponse, requests.RequestException, ValueError) as error:
                raise self._away(_describe(error)) from error
        return dict(token)

    def _verify(
        self, metadata: ProviderMetadata, attempt: SignInAttempt, token: dict[str, Any]
    ) -> dict[str, object]:
        for keys in (self._load_keys(metadata), None):
            if keys is None:
                keys = self._renew_keys(metadata)
            try:
                return verify_id_token(
                    token.get("id_token"),
                    keys,
                    issuer=self.config.issuer,
                    client_id=self.config.client_id,
                    nonce=attempt.nonce,
                    access_token=token.get("access_token"),
                    at=self._clock(),
                )
            except UnknownSigningKeyError:
                continue  # the provider may have changed its keys since they were loaded
        raise MalformedError(Message("id-token-refused", reason="kid"))

    def _load_metadata(self) -> ProviderMetadata:
        if self._metadata is None or self._clock() > self._loaded_at + _FRESH:
            document = self._fetch(self.config.issuer.rstrip("/") + _DISCOVERY)
            try:
                self._metadata = parse_metadata(document, self.config.issuer)
            except MalformedError as error:
                raise self._away(error.message) from error
            self._keys, self._loaded_at = None, self._clock()
        return self._metadata

    def _load_keys(self, metadata: ProviderMetadata) -> dict[str, Any]:
        if self._keys is None:
            keys = self._fetch(metadata.jwks_uri)
            if not isinstance(keys, dict):
                raise self._away(Message("provider-answer-wrong"))
            self._keys = keys
        return self._keys

    def _renew_keys(self, metadata: ProviderMetadata) -> dict[str, Any]:
        if self._clock() > self._renewed_at + _RENEWAL:
            self._keys, self._renewed_at = None, self._clock()
        return self._load_keys(metadata)

    def _fetch(self, url: str) -> object:
        with self._open_session() as session:
            try:
                response = session.get(url)
                response.raise_for_status()
                return json.loads(response.content)
            except requests.HTTPError as error:
                raise self._away(Message("provider-answer-wrong")) from error
            except (BadResponse, requests.RequestException, ValueError) as error:
                raise self._away(_describe(error)) from error

    def _open_session(self) -> BoundedSession:
        return BoundedSession(timeout=_TIMEOUT, max_bytes=_MAX_BYTES)

    def _make_client(self, session: BoundedSession, metadata: ProviderMetadata) -> OAuth2Client:
        secret = self.config.read_secret()
        method = "none"
        if secret is not None:
            is_post = _BASIC not in metadata.auth_methods and _POST in metadata.auth_methods
            method = _POST if is_post else _BASIC
        client = OAuth2Client(
            session=session,
            client_id=self.config.client_id,
            client_secret=secret,
            token_endpoint_auth_method=method,
            scope=" ".join(self.config.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )
        client.client_auth_class = OAuth2ClientAuth  # which `requests` can call
        client.register_client_auth_method((_BASIC, _authenticate))
        return client

    def _away(self, reason: Message) -> Problem:
        detail = Message("sign-in-provider-away", provider=self.config.label, reason=reason)
        _LOG.warning("%s", detail)
        return Problem(503, detail, headers=RETRY_LATER)


def _describe(error: Exception) -> Message:
    if isinstance(error, BadResponse):
        reason = error.args[0]
        return reason if isinstance(reason, Message) else Message("provider-answer-wrong")
    if isinstance(error, requests.RequestException) and not isinstance(error, ValueError):
        return format_failure(error)
    return Message("provider-answer-wrong")


def _authenticate(
    client: Any, _method: str, uri: str, headers: MutableMapping[str, str], body: str
) -> tuple[str, MutableMapping[str, str], str]:
    """Add the client's id and secret to a request, encoded by RFC 6749, 2.3.1.

    The library's own method leaves out that encoding, without which some secrets are wrong.
    """
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"
    return uri, headers, body
