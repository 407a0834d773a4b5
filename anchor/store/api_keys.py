"""The service's tenants and their API keys.

A key reads ``anchor_ID_SECRET``.  Its secret is 256 random bits, of which only the SHA-256 is
stored: reading the store does not give access to a key, and the secret cannot be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, literal, select, text, update

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message, join
from anchor.base.units import format_stored_time
from anchor.people.roles import SCOPES
from anchor.store.list_position import ListPosition, order_by_time
from anchor.store.schema import api_keys, tenants, usage

_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62})")
_TOKEN = re.compile(r"anchor_([0-9a-f]{12})_([0-9a-f]{64})")
_ID = re.compile(r"[0-9a-f]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The new evidence that a tenant may submit per day and per minute (UTC); None: no limit."""

    per_day: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantUsage:
    """A tenant's number of new pieces of evidence of one day, and its limits."""

    tenant: str
    accepted: int
    limits: Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """The stored data of a key, without the key itself.  Times are RFC 3339 texts."""

    id: str
    tenant: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    limits: Quota
    is_suspended: bool = False

    def stands_at(self, at: str) -> bool:
        """Return whether it is valid at ``at``: not revoked, expired or of a suspended tenant."""
        is_refused = self.revoked_at is not None or self.is_suspended
        return not is_refused and (self.expires_at is None or at < self.expires_at)


def check_tenant(name: str) -> None:
    """Check that ``name`` is a permitted tenant name."""
    if not _TENANT.fullmatch(name):
        raise UsageError(
            Message("tenant-name-invalid", name=name[:80]),
            hint=Message("tenant-name-hint"),
        )


def create_key(
    connection: Connection,
    tenant: str,
    scopes: Iterable[str],
    *,
    created_at: str,
    expires_at: str | None = None,
    limits: Quota | None = None,
) -> str:
    """Create an API key and return it; it cannot be shown again.

    The tenant is created if it is new; ``limits`` replaces those of an existing tenant.
    """
    check_tenant(tenant)
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        raise UsageError(
            Message("api-key-scope-unknown", scope=unknown[0][:80])
            if unknown
            else Message("api-key-scope-missing"),
            hint=Message("api-key-scope-hint", scopes=join(SCOPES)),
        )
    given = limits or Quota()
    values = {"per_day": given.per_day, "per_minute": given.per_minute}
    is_there = connection.execute(
        select(tenants.c.name).where(tenants.c.name == tenant)
    ).one_or_none()
    if is_there is None:
        connection.execute(insert(tenants).values(name=tenant, created_at=created_at, **values))
    elif limits is not None:
        connection.execute(update(tenants).where(tenants.c.name == tenant).values(**values))
    id, secret = secrets.token_hex(6), secrets.token_hex(32)
    connection.execute(
        insert(api_keys).values(
            id=id,
            tenant=tenant,
            secret_hash=_hash_secret(secret),
            scopes=" ".join(scope for scope in SCOPES if scope in wanted),
            created_at=created_at,
            expires_at=expires_at,
        )
    )
    return f"anchor_{id}_{secret}"


def find_key(connection: Connection, token: str) -> ApiKey | None:
    """Return the key with this token, even if expired or revoked; None if the token is unknown."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    row = connection.execute(_SELECT.where(api_keys.c.id == match[1])).one_or_none()
    if row is None or not hmac.compare_digest(row.secret_hash, _hash_secret(match[2])):
        return None
    return _parse_key(row)


def find_key_by_id(connection: Connection, id: str) -> ApiKey | None:
    """Return the key with this id, even if expired or revoked."""
    return find_keys_by_id(connection, [id]).get(id)


def find_keys_by_id(connection: Connection, ids: Iterable[str]) -> dict[str, ApiKey]:
    """Return the keys with these ids, by id, including expired and revoked ones."""
    rows = connection.execute(_SELECT.where(api_keys.c.id.in_(sorted(ids))))
    return {row.id: _parse_key(row) for row in rows}


def load_keys(
    connection: Connection,
    tenant: str | None = None,
    *,
    without: str | None = None,
    after: ListPosition | None = None,
    limit: int | None = None,
) -> list[ApiKey]:
    """Return up to ``limit`` keys that follow ``after``, oldest first.

    With ``tenant``, only those of one tenant; with ``without``, only those without this scope.
    """
    query = _SELECT if tenant is None else _SELECT.where(api_keys.c.tenant == tenant)
    if without is not None:
        query = query.where((literal(" ") + api_keys.c.scopes + " ").not_like(f"% {without} %"))
    query = order_by_time(query, api_keys.c.created_at, api_keys.c.id, after=after, limit=limit)
    return [_parse_key(row) for row in connection.execute(query)]


def has_keys(connection: Connection, tenant: str) -> bool:
    """Return whether a tenant has keys, expired and revoked ones included."""
    query = select(api_keys.c.id).where(api_keys.c.tenant == tenant).limit(1)
    return connection.execute(query).first() is not None


def revoke_key(connection: Connection, key: str, revoked_at: str) -> str:
    """Revoke a key, named by its id or by itself; a revoked key keeps its time of revocation.

    Returns the id.
    """
    match = _TOKEN.fullmatch(key)
    id = match[1] if match else key
    row = connection.execute(select(api_keys.c.id).where(api_keys.c.id == id)).one_or_none()
    if row is None:
        # What is no id may be a part of a key, which is not to be printed.
        raise UsageError(
            Message("api-key-unknown", key=id) if _ID.fullmatch(id) else Message("api-key-no-id"),
            hint=Message("api-key-list-hint"),
        )
    connection.execute(
        update(api_keys)
        .where((api_keys.c.id == id) & api_keys.c.revoked_at.is_(None))
        .values(revoked_at=revoked_at)
    )
    return id


def describe_key_state(key: ApiKey, time: str) -> Message:
    """Return in words whether a key is valid at ``time``."""
    if key.revoked_at is not None:
        return Message("api-key-state-revoked", time=format_stored_time(key.revoked_at))
    if key.expires_at is None:
        return Message("api-key-state-usable")
    if time < key.expires_at:
        return Message("api-key-state-usable-until", time=format_stored_time(key.expires_at))
    return Message("api-key-state-expired", time=format_stored_time(key.expires_at))


def load_usage(
    connection: Connection, day: str, *, after: str = "", limit: int | None = None
) -> list[TenantUsage]:
    """Return the usage of a day (``2026-01-31``) of up to ``limit`` tenants that follow ``after``.

    They are sorted by name.
    """
    rows = connection.execute(
        select(tenants.c.name, tenants.c.per_day, tenants.c.per_minute, usage.c.accepted)
        .outerjoin(usage, (usage.c.tenant == tenants.c.name) & (usage.c.day == day))
        .where(tenants.c.name > after)
        .order_by(tenants.c.name)
        .limit(limit)
    )
    return [
        TenantUsage(
            tenant=row.name,
            accepted=row.accepted or 0,
            limits=Quota(per_day=row.per_day, per_minute=row.per_minute),
        )
        for row in rows
    ]


def find_usage(connection: Connection, tenant: str, day: str) -> int:
    """Return the number of a tenant's new pieces of evidence of a day (``2026-01-31``)."""
    query = select(usage.c.accepted).where((usage.c.tenant == tenant) & (usage.c.day == day))
    return int(connection.execute(query).scalar() or 0)


def measure_allowance(connection: Connection, tenant: str, limits: Quota, at: str) -> int | None:
    """Return how much more new evidence a tenant may submit; None without a limit.

    Other transactions that accept this tenant's evidence wait until this one ends.
    """
    if limits.per_day is None and limits.per_minute is None:
        return None
    _count(connection, tenant, 0, at)  # creates the row that is locked below
    row = connection.execute(
        select(usage).where((usage.c.tenant == tenant) & (usage.c.day == at[:10])).with_for_update()
    ).one()
    rests: list[int] = [
        limit - used
        for limit, used in ((limits.per_day, row.accepted), (limits.per_minute, row.in_minute))
        if limit is not None
    ]
    return max(0, min(rests))


def count_usage(connection: Connection, tenant: str, count: int, at: str) -> None:
    """Count new evidence against a tenant's limits."""
    if count:
        _count(connection, tenant, count, at)


def _count(connection: Connection, tenant: str, count: int, at: str) -> None:
    day, minute = at[:10], at[:16]
    connection.execute(_COUNT, {"tenant": tenant, "day": day, "minute": minute, "count": count})


_COUNT = text(
    "INSERT INTO usage (tenant, day, accepted, minute, in_minute) "
    "VALUES (:tenant, :day, :count, :minute, :count) ON CONFLICT (tenant, day) DO UPDATE SET "
    "accepted = usage.accepted + excluded.accepted, minute = excluded.minute, in_minute = "
    "excluded.in_minute + CASE WHEN usage.minute = excluded.minute THEN usage.in_minute ELSE 0 END"
)


def _hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()


_SELECT = select(api_keys, tenants.c.per_day, tenants.c.per_minute, tenants.c.suspended_at).join(
    tenants, tenants.c.name == api_keys.c.tenant
)


def _parse_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant=row.tenant,
        scopes=tuple(row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        limits=Quota(per_day=row.per_day, per_minute=row.per_minute),
        # A key with the scope `admin` is the operator's own, whatever its tenant.
        is_suspended=row.suspended_at is not None and "admin" not in row.scopes.split(),
    )
