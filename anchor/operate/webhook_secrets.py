"""Secrets of webhooks: encrypted in the store where the operator has a keyset for copies.

A stored secret is the secret itself, or ``sealed_`` and what Tink made of it, in Base64, bound to
the tenant.
"""

from __future__ import annotations

import base64
import secrets

from anchor.base.errors import ConfigError
from anchor.base.messages.message import Message
from anchor.keeping.master_keyset import MasterKeyset, place_of
from anchor.notifications.webhook_signature import SECRET_BYTES, encode_secret
from anchor.project.keeping_config import KeepingConfig
from anchor.store.database import Database
from anchor.store.webhook_secret_rows import (
    SecretColumn,
    load_webhook_secrets,
    replace_webhook_secret,
)

_SEALED = "sealed_"


class WebhookSecrets:
    """Makes secrets and reads stored ones; the keyset is read anew for each use."""

    def __init__(self, keeping: KeepingConfig | None) -> None:
        self._keeping = keeping

    def make(self, tenant: str) -> tuple[str, str]:
        """Return a new secret as it is shown, and as it is stored."""
        shown = encode_secret(secrets.token_bytes(SECRET_BYTES))
        if self._keeping is None:
            return shown, shown
        return shown, seal_secret(MasterKeyset.load(self._keeping.keyset), tenant, shown)

    def read(self, tenant: str, stored: str) -> str:
        """Return a secret from its stored form.

        Raises:
            ConfigError: The keyset that encrypted it is not configured, or cannot be read.
        """
        if not stored.startswith(_SEALED):
            return stored
        if self._keeping is None:
            raise ConfigError(
                Message("webhook-secret-sealed"), hint=Message("copies-not-configured-hint")
            )
        return open_secret(MasterKeyset.load(self._keeping.keyset), tenant, stored)


def seal_secret(keyset: MasterKeyset, tenant: str, secret: str) -> str:
    """Return a secret as it is stored, encrypted by the primary key."""
    sealed = keyset.seal(secret.encode("ascii"), _place(tenant))
    return _SEALED + base64.b64encode(sealed).decode("ascii")


def open_secret(keyset: MasterKeyset, tenant: str, stored: str) -> str:
    """Return the secret that ``seal_secret`` encrypted for this tenant.

    Raises:
        ConfigError: None of the keys fits, or it was changed.
    """
    try:
        sealed = _decode(stored)
    except ValueError as error:
        raise ConfigError(
            Message("copies-key-not-readable"), hint=Message("copies-key-not-readable-hint")
        ) from error
    return keyset.open_sealed(sealed, _place(tenant)).decode("ascii")


def seal_clear_secrets(database: Database, keyset: MasterKeyset) -> None:
    """Encrypt the secrets that were stored before there was a keyset."""
    with database.read() as connection:
        stored = list(load_webhook_secrets(connection))
    for tenant, id, name, old in stored:
        if not old.startswith(_SEALED):
            _replace(database, id, name, old, seal_secret(keyset, tenant, old))


def seal_all_secrets(database: Database, keyset: MasterKeyset) -> None:
    """Encrypt every stored secret by the primary key: those in clear, and those of former keys.

    A crash in between leaves both forms, each of which is read; the next run does the rest.
    """
    seal_clear_secrets(database, keyset)
    with database.read() as connection:
        stored = list(load_webhook_secrets(connection))
    for tenant, id, name, old in stored:
        if not keyset.is_sealed_by_primary(_decode(old)):
            new = seal_secret(keyset, tenant, open_secret(keyset, tenant, old))
            _replace(database, id, name, old, new)


def _replace(database: Database, id: str, name: SecretColumn, old: str, new: str) -> None:
    database.write_with_retry(
        lambda connection: replace_webhook_secret(connection, id, name, old, new)
    )


def _decode(stored: str) -> bytes:
    return base64.b64decode(stored.removeprefix(_SEALED))


def _place(tenant: str) -> bytes:
    return place_of(tenant=tenant, use="webhook")
