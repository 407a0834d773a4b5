"""Signatures of webhooks, which the reference implementation of Standard Webhooks accepts."""

from __future__ import annotations

import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from anchor.notifications.webhook_signature import encode_secret, sign_message

ID, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
# The reference implementation's own test has this secret, time and signature.
SECRET, TIME = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1614265330
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_the_specification() -> None:
    headers = sign_message([SECRET], ID, TIME, BODY)
    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": str(TIME),
        "webhook-signature": SIGNATURE,
    }


def test_the_reference_implementation_accepts_it_with_either_of_two_secrets() -> None:
    secrets = [encode_secret(bytes([number]) * 32) for number in range(3)]
    headers = sign_message(secrets[:2], ID, int(time.time()), BODY)
    for secret in secrets[:2]:
        assert Webhook(secret).verify(BODY, headers) == {"test": 2432232314}
    for secret, body in ((secrets[2], BODY), (secrets[0], BODY + b" ")):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[0]).verify(BODY, headers | {"webhook-id": "other"})
