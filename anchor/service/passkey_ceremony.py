"""Web Authentication: what a browser is asked for, and whether what it answers is right.

Which authenticator it is does not matter, so that no attestation is asked for.  The site is the
configured one, whatever a request says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, parse_authentication_credential_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from anchor.base.messages.message import Message
from anchor.people.passkey_rules import (
    CHALLENGE_SECONDS,
    NewPasskey,
    RelyingParty,
    encode_handle,
)
from anchor.service.problems import Problem
from anchor.store.passkeys import Passkey

_SITE: Final = "anchor"
_MILLISECONDS: Final = 1_000 * CHALLENGE_SECONDS
# Section 4: a credential id has at most 1,023 bytes.
_MOST_CREDENTIAL: Final = 1_023
# Characters: keys and signatures have some hundreds of bytes.
_MOST_ANSWER: Final = 32_768


class PasskeyCeremony:
    """The ceremonies of one site."""

    def __init__(self, site: RelyingParty) -> None:
        self._site = site

    def ask_new(self, person: str, name: str, known: Iterable[Passkey], challenge: bytes) -> str:
        """Return the options (JSON) for making a passkey that needs no name at sign-in."""
        return options_to_json(
            generate_registration_options(
                rp_id=self._site.id,
                rp_name=_SITE,
                user_name=name,
                user_id=encode_handle(person),
                challenge=challenge,
                timeout=_MILLISECONDS,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.REQUIRED,
                    user_verification=UserVerificationRequirement.REQUIRED,
                ),
                exclude_credentials=[
                    PublicKeyCredentialDescriptor(id=each.credential) for each in known
                ],
            )
        )

    def ask_any(self, challenge: bytes) -> str:
        """Return the options (JSON) for signing in with any passkey of this site."""
        return options_to_json(
            generate_authentication_options(
                rp_id=self._site.id,
                challenge=challenge,
                timeout=_MILLISECONDS,
                user_verification=UserVerificationRequirement.REQUIRED,
            )
        )

    def check_new(self, answer: str, challenge: bytes) -> NewPasskey:
        """Return the passkey that a browser made in answer to the challenge.

        Raises:
            Problem: The answer is malformed, of another site, or to another challenge (400).
        """
        with _refusing():
            _check_frame(answer)
            verified = verify_registration_response(
                credential=_cut(answer),
                expected_challenge=challenge,
                expected_rp_id=self._site.id,
                expected_origin=self._site.origin,
                require_user_verification=True,
            )
        if len(verified.credential_id) > _MOST_CREDENTIAL:
            raise _refuse()
        return NewPasskey(
            credential=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
        )

    def check_sign_in(self, answer: str, passkey: Passkey, challenge: bytes) -> int:
        """Return the authenticator's counter, whose signature over the challenge is right.

        Whether the counter has grown is for the store to say, which has its last value.

        Raises:
            Problem: The answer is malformed, of another site, to another challenge, without user
                verification or wrongly signed (400).
        """
        with _refusing():
            _check_frame(answer)
            verified = verify_authentication_response(
                credential=_cut(answer),
                expected_challenge=challenge,
                expected_rp_id=self._site.id,
                expected_origin=self._site.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        return verified.new_sign_count

    def read_names(self, answer: str) -> tuple[bytes, bytes | None]:
        """Return the credential id and the user handle that an answer names, both unchecked."""
        with _refusing():
            credential = parse_authentication_credential_json(_cut(answer))
        return credential.raw_id, credential.response.user_handle


def _cut(answer: str) -> str:
    """Return an answer; of one that is too long only a part, which is malformed."""
    return answer[:_MOST_ANSWER]


def _check_frame(answer: str) -> None:
    """Refuse an answer from a frame in another site's page, at which the library does not look."""
    encoded = json.loads(_cut(answer))["response"]["clientDataJSON"]
    client_data = json.loads(base64url_to_bytes(encoded))
    if client_data.get("crossOrigin") or "topOrigin" in client_data:
        raise ValueError("the page was in a frame of another site")


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse an answer for which the library raises an error in the block.

    The library lets through errors of the formats of attestation and keys, which have no common
    class but ``Exception``.  It reads the answer alone, so that none of them is of this machine.
    """
    try:
        yield
    except Exception as error:
        raise _refuse() from error


def _refuse() -> Problem:
    return Problem(400, Message("passkey-not-accepted"))
