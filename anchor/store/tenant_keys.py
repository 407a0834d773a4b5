"""Changes of a tenant's API keys, noted in its audit trail in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.people.actors import Actor
from anchor.store.announcements import announce
from anchor.store.api_keys import (
    ApiKey,
    Quota,
    check_tenant,
    create_key,
    find_key_by_id,
    load_keys,
    revoke_key,
)
from anchor.store.list_position import ListPosition
from anchor.store.memberships import ensure_tenant
from anchor.store.tenant_events import note_tenant_event

# A key with this scope is the operator's own, whatever its tenant.
_OPERATORS = "admin"


def load_tenant_keys(
    connection: Connection,
    tenant: str,
    *,
    after: ListPosition | None = None,
    limit: int | None = None,
) -> list[ApiKey]:
    """Return a tenant's keys, oldest first, without the operator's own."""
    return load_keys(connection, tenant, without=_OPERATORS, after=after, limit=limit)


def key_id_of(token: str) -> str:
    """Return the id in a key, which is no secret."""
    return token.split("_")[1]


def issue_key(
    connection: Connection,
    tenant: str,
    scopes: Iterable[str],
    actor: Actor,
    *,
    at: str,
    expires_at: str | None,
    limits: Quota | None = None,
) -> str:
    """Create an API key and return it, as ``create_key`` does."""
    check_tenant(tenant)
    ensure_tenant(connection, tenant, actor, at)
    wanted = tuple(scopes)
    token = create_key(
        connection, tenant, wanted, created_at=at, expires_at=expires_at, limits=limits
    )
    details = {"scopes": " ".join(sorted(set(wanted))), "expires_at": expires_at}
    note_tenant_event(
        connection, tenant, actor, "key-created",
        at=at, subject=key_id_of(token), details=details,
    )  # fmt: skip
    if _OPERATORS not in wanted:
        announce(connection, tenant, "key.created", {"key": key_id_of(token), **details}, at=at)
    return token


def withdraw_key(
    connection: Connection, key: str, actor: Actor, at: str, *, tenant: str | None = None
) -> str:
    """Revoke a key, named by its id or by itself; return its id.

    With ``tenant``, only a key of that tenant: another tenant's or the operator's is unknown.
    """
    if tenant is not None:
        known = find_key_by_id(connection, key)
        if known is None or known.tenant != tenant or _OPERATORS in known.scopes:
            raise UsageError(Message("api-key-unknown", key=key[:12]))
    id = revoke_key(connection, key, at)
    revoked = find_key_by_id(connection, id)
    if revoked is not None and revoked.revoked_at == at:
        note_tenant_event(connection, revoked.tenant, actor, "key-revoked", at=at, subject=id)
        if _OPERATORS not in revoked.scopes:
            announce(connection, revoked.tenant, "key.revoked", {"key": id}, at=at)
    return id
