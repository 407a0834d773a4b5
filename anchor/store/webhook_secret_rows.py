"""The stored secrets of all webhooks, for their encryption by another key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from sqlalchemy import Connection, select, update

from anchor.store.schema import webhooks

SecretColumn: TypeAlias = Literal["secret", "former_secret"]


def load_webhook_secrets(connection: Connection) -> Iterator[tuple[str, str, SecretColumn, str]]:
    """Yield tenant, id, column and stored secret of each webhook, the former secret too."""
    rows = connection.execute(select(webhooks).order_by(webhooks.c.id))
    for row in rows:
        yield row.tenant, row.id, "secret", row.secret
        if row.former_secret is not None:
            yield row.tenant, row.id, "former_secret", row.former_secret


def replace_webhook_secret(
    connection: Connection, id: str, name: SecretColumn, old: str, new: str
) -> None:
    """Replace a stored secret, unless it was changed meanwhile."""
    column = webhooks.c[name]
    query = update(webhooks).where((webhooks.c.id == id) & (column == old))
    connection.execute(query.values({name: new}))
