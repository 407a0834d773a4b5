"""Secrets of webhooks in the store: encrypted where the operator has a keyset for copies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Peer
from support.copies import keeping
from support.memory_projects import MemorySite
from support.sign_in_providers import Platform, serve_platform
from support.visitors import OPERATOR, Visitor, close_browsers, visit
from support.webhook_receiver import Receiver, run_receiver

from anchor.base.errors import ConfigError
from anchor.base.system.clock import utc_now
from anchor.keeping.master_keyset import MasterKeyset
from anchor.operate.copy_keys import drop_former_keys, rotate_keyset
from anchor.operate.webhook_secrets import WebhookSecrets
from anchor.project.notification_config import WebhookConfig
from anchor.store.schema import deliveries, webhooks
from anchor.store.tenant_keys import issue_key


@pytest.fixture
def plain(grown: MemorySite, tmp_path: Path) -> MemorySite:
    """A project without a keyset."""
    site = grown.copy_to(tmp_path / "project")
    return site.configure(webhooks=WebhookConfig(allow_private=True))


@pytest.fixture
def sealed(plain: MemorySite, tmp_path: Path) -> MemorySite:
    """The same project with a keyset."""
    return plain.configure(keeping=keeping(tmp_path))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as running:
        yield running
    close_browsers()


def make(platform: Platform, url: str) -> tuple[Visitor, str, str]:
    """Make a webhook; return its owner, its id and the secret as it is shown."""
    owner = visit(platform, acme="owner")
    headers = {"Origin": platform.url, "Anchor-Tenant": "acme"}
    body = {"url": url, "events": ["key.created"]}
    answer = owner.http.post("/v1/webhooks", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return owner, answer.json()["id"], answer.json()["secret"]


def stored(platform: Platform) -> list[tuple[str, str | None]]:
    with platform.project.database.read() as connection:
        rows = connection.execute(select(webhooks.c.secret, webhooks.c.former_secret))
        return [(row.secret, row.former_secret) for row in rows]


def troubles(platform: Platform) -> list[str | None]:
    with platform.project.database.read() as connection:
        return list(connection.execute(select(deliveries.c.trouble)).scalars())


def is_signed(platform: Platform, receiver: Receiver, *shown: str) -> bool:
    """Send a message, and return whether each of these secrets signed it."""
    before = len(receiver.requests)
    with platform.project.database.write() as connection:
        issue_key(connection, "acme", ["read"], OPERATOR, at=utc_now(), expires_at=None)
    platform.service.deliveries.wake()
    wait_for(lambda: len(receiver.requests) > before)
    message = receiver.requests[-1]
    return all(Peer(each).verify(message.body, message.headers) for each in shown)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_secret_is_stored_encrypted_and_signs_also_after_a_rotation_of_both(
    sealed: MemorySite, receiver: Receiver
) -> None:
    with serve_platform(sealed) as platform:
        owner, id, shown = make(platform, receiver.url())
        ((secret, former),) = stored(platform)
        assert secret.startswith("sealed_") and former is None and shown not in secret
        assert is_signed(platform, receiver, shown)
        headers = {"Origin": platform.url, "Anchor-Tenant": "acme"}
        rotated = owner.http.post(f"/v1/webhooks/{id}/secret", headers=headers).json()["secret"]
        assert is_signed(platform, receiver, shown, rotated)
        before = stored(platform)
        rotate_keyset(platform.project)
        assert drop_former_keys(platform.project) == 1
        ((secret, former),) = stored(platform)
        assert former is not None and {secret, former}.isdisjoint(map(str, before[0]))
        assert is_signed(platform, receiver, shown, rotated)
        files = sealed.config.folder.glob("anchor.db*")
        assert all(shown.encode() not in file.read_bytes() for file in files)


def test_what_was_stored_in_clear_is_encrypted_once_there_is_a_keyset(
    plain: MemorySite, sealed: MemorySite, receiver: Receiver
) -> None:
    with serve_platform(plain) as platform:
        _, _, shown = make(platform, receiver.url())
        assert stored(platform) == [(shown, None)]
    for _ in range(2):
        with serve_platform(sealed) as platform:
            ((secret, _),) = stored(platform)
            assert secret.startswith("sealed_")
            assert is_signed(platform, receiver, shown)
    # Without the keyset the messages wait, and the service runs.
    with serve_platform(plain) as platform:
        assert stored(platform) == [(secret, None)]
        with pytest.raises(ConfigError, match="not configured"):
            platform.service.webhook_secrets.read("acme", secret)
        count = len(receiver.requests)
        with platform.project.database.write() as connection:
            issue_key(connection, "acme", ["read"], OPERATOR, at=utc_now(), expires_at=None)
        platform.service.deliveries.wake()
        wait_for(lambda: "secret" in troubles(platform))
        assert len(receiver.requests) == count


def test_a_secret_belongs_to_its_tenant_and_its_keyset(sealed: MemorySite, tmp_path: Path) -> None:
    assert sealed.config.keeping is not None
    secrets = WebhookSecrets(sealed.config.keeping)
    shown, kept = secrets.make("acme")
    assert secrets.read("acme", kept) == shown
    with pytest.raises(ConfigError):
        secrets.read("other", kept)
    MasterKeyset.create().save(sealed.config.keeping.keyset)
    for unreadable in (kept, "sealed_A", "sealed_"):
        with pytest.raises(ConfigError):
            secrets.read("acme", unreadable)
    with serve_platform(sealed) as platform:
        make(platform, "http://127.0.0.1:9/")
        with platform.project.database.write() as connection:
            connection.execute(update(webhooks).values(secret=kept))
    with serve_platform(sealed) as platform, platform.browser() as stranger:
        # One that no key opens stops nothing but its own messages.
        assert stranger.get("/healthz").status_code == 200
    close_browsers()
