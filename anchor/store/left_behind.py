"""What a restore leaves behind: what old stores or the audit trail name and the new lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from anchor.base.messages.message import Message
from anchor.store import fingerprints
from anchor.store.database import Database
from anchor.store.fingerprint_pages import About
from anchor.store.schema import (
    announcements,
    api_keys,
    blocked_networks,
    case_links,
    cases,
    certificates,
    deliveries,
    holds,
    invitations,
    kept_copies,
    mail_confirmations,
    passkeys,
    people,
    retentions,
    sessions,
    tenant_slices,
    tenants,
    usage,
    webhooks,
)

_RETENTIONS = "retentions"

# What names each kind; ended and revoked ones are nothing that anybody misses.
_QUERIES: dict[str, tuple[Select[Any], ...]] = {
    "tenants": (select(tenants.c.name), select(tenant_slices.c.tenant).distinct()),
    "people": (select(people.c.id),),
    "cases": (select(cases.c.id),),
    "certificates": (select(certificates.c.id).where(certificates.c.number.is_not(None)),),
    "copies": (select(kept_copies.c.id).where(kept_copies.c.wrapped_key.is_not(None)),),
    _RETENTIONS: (select(retentions.c.identity).where(retentions.c.owner_until.is_not(None)),),
    "holds": (select(holds.c.name),),
    "quota_use": (select(usage.c.tenant),),
    "api_keys": (select(api_keys.c.id).where(api_keys.c.revoked_at.is_(None)),),
    "sessions": (select(sessions.c.id).where(sessions.c.ended_at.is_(None)),),
    "passkeys": (select(passkeys.c.id),),
    "invitations": (select(invitations.c.id).where(invitations.c.ended_at.is_(None)),),
    "case_links": (select(case_links.c.id).where(case_links.c.revoked_at.is_(None)),),
    "webhooks": (select(webhooks.c.id).where(webhooks.c.disabled_at.is_(None)),),
    "messages": (
        select(deliveries.c.message).where(deliveries.c.state == "waiting"),
        select(announcements.c.id),
    ),
    "addresses": (
        select(mail_confirmations.c.person).where(mail_confirmations.c.confirmed_at.is_not(None)),
    ),
    "blocks": (select(blocked_networks.c.id),),
}

LABELS = {
    "tenants": Message("left-behind-tenants"),
    "people": Message("left-behind-people"),
    "cases": Message("left-behind-cases"),
    "certificates": Message("left-behind-certificates"),
    "copies": Message("left-behind-copies"),
    "retentions": Message("left-behind-retentions"),
    "holds": Message("left-behind-holds"),
    "quota_use": Message("left-behind-quota-use"),
    "api_keys": Message("left-behind-api-keys"),
    "sessions": Message("left-behind-sessions"),
    "passkeys": Message("left-behind-passkeys"),
    "invitations": Message("left-behind-invitations"),
    "case_links": Message("left-behind-case-links"),
    "webhooks": Message("left-behind-webhooks"),
    "messages": Message("left-behind-messages"),
    "addresses": Message("left-behind-addresses"),
    "blocks": Message("left-behind-blocks"),
}
"""What the kinds are called."""

Names = dict[str, set[str | bytes]]
"""What names the rows of each kind."""


def list_named(stores: Sequence[Database]) -> Names:
    """Return what the old stores name, by kind."""
    named: Names = {kind: set() for kind in _QUERIES}
    for store in stores:
        with store.read() as connection:
            for kind, names in _load(connection).items():
                named[kind] |= names
    return named


def count_left_behind(
    connection: Connection, named: Names, *, is_complete: bool
) -> dict[str, int | None]:
    """Return how many of what is named the new store lacks, by kind.

    None stands for an unknown number: nothing is named, and without ``is_complete`` no store was
    read that had everything.
    """
    held = _load(connection)
    held["tenants"] = {*connection.execute(select(tenants.c.name)).scalars()}
    dated = [each for each in named[_RETENTIONS] if isinstance(each, bytes)]
    # The date of evidence that did not come back, or was erased, is not lost by itself.
    restored = fingerprints.find(connection, About.IDENTITY, dated)
    counts: dict[str, int | None] = {}
    for kind, names in named.items():
        lost = (names & restored.keys() if kind == _RETENTIONS else names) - held[kind]
        counts[kind] = len(lost) or (0 if is_complete else None)
    return counts


def _load(connection: Connection) -> Names:
    return {
        kind: {name for query in queries for name in connection.execute(query).scalars()}
        for kind, queries in _QUERIES.items()
    }
