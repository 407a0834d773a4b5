"""Who makes a request, by an API key or by a browser session: one type for every route."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from anchor.people.actors import Actor
from anchor.people.roles import Permission, permissions_of_role, permissions_of_scopes
from anchor.store.api_keys import ApiKey, Quota, find_keys_by_id
from anchor.store.browser_sessions import BrowserSession, find_session_by_id
from anchor.store.database import Database
from anchor.store.memberships import Membership, load_memberships

Credential: TypeAlias = tuple[Literal["key", "session"], str]
"""An API key or a session, by its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a request, for which tenant, and what they may do there.

    ``scopes`` are those of a key; a person has none.  People of a suspended tenant may do nothing,
    except that its owners read.
    """

    tenant: str
    permissions: frozenset[Permission]
    actor: Actor
    credential: Credential
    limits: Quota
    scopes: tuple[str, ...] = ()
    is_suspended: bool = False


def caller_of_key(key: ApiKey) -> Caller:
    """Return the caller that a key is."""
    return Caller(
        tenant=key.tenant,
        permissions=permissions_of_scopes(key.scopes),
        actor=Actor("key", key.id),
        credential=("key", key.id),
        limits=key.limits,
        scopes=key.scopes,
    )


def callers_of_session(
    session: BrowserSession, memberships: Iterable[Membership]
) -> dict[str, Caller]:
    """Return the callers that a session may be, by tenant: one for each membership.

    A session begun with an administrator's key is that key.
    """
    credential: Credential = ("session", session.row.id)
    if session.key is not None:
        key = session.key
        return {
            key.tenant: Caller(
                tenant=key.tenant,
                permissions=permissions_of_scopes(key.scopes),
                actor=Actor("key", key.id),
                credential=credential,
                limits=key.limits,
                scopes=key.scopes,
            )
        }
    assert session.person is not None
    return {
        membership.tenant: Caller(
            tenant=membership.tenant,
            permissions=permissions_of_role(membership.role, is_suspended=membership.is_suspended),
            actor=Actor("person", session.person.id),
            credential=credential,
            limits=membership.limits,
            is_suspended=membership.is_suspended,
        )
        for membership in memberships
    }


def load_session_callers(database: Database, session: BrowserSession) -> dict[str, Caller]:
    """Return the callers that a session may be at the moment, by tenant."""
    if session.person is None:
        return callers_of_session(session, ())
    with database.read() as connection:
        return callers_of_session(session, load_memberships(connection, session.person.id))


def reload_callers(database: Database, callers: Iterable[Caller], at: str) -> dict[Caller, Caller]:
    """Return those callers whose key or session is still valid, as they are at the moment."""
    asked = list(callers)
    ids = {id for kind, id in (caller.credential for caller in asked) if kind == "key"}
    with database.read() as connection:
        keys = find_keys_by_id(connection, ids)
    valid: dict[Caller, Caller] = {}
    for caller in asked:
        kind, id = caller.credential
        if kind == "session":
            renewed = _find_by_session(database, id, caller.tenant, at)
        else:
            renewed = caller_of_key(keys[id]) if id in keys and keys[id].stands_at(at) else None
        # A caller that may do less than when its request began has lost what it began with.
        if renewed is not None and renewed.permissions >= caller.permissions:
            valid[caller] = renewed
    return valid


def _find_by_session(database: Database, id: str, tenant: str, at: str) -> Caller | None:
    with database.read() as connection:
        session = find_session_by_id(connection, id, at)
    return None if session is None else load_session_callers(database, session).get(tenant)
