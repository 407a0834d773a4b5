"""Invitations to a tenant: links with a random token, each for one person, once."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from anchor.people.actors import Actor
from anchor.people.lifetimes import is_in_force
from anchor.people.roles import Role, parse_role
from anchor.store.list_position import ListPosition, order_by_time
from anchor.store.memberships import add_member, load_memberships
from anchor.store.schema import invitations
from anchor.store.tenant_events import note_tenant_event

_ID_BYTES = 6
_TOKEN = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation without its token; ``email`` is for whom it is meant, and not checked."""

    id: str
    tenant: str
    role: Role
    email: str | None
    made_by: str
    made_at: str
    expires_at: str
    ended_at: str | None
    used_by: str | None


def create_invitation(
    connection: Connection,
    tenant: str,
    role: Role,
    actor: Actor,
    *,
    email: str | None,
    made_at: str,
    expires_at: str,
) -> str:
    """Create an invitation to an existing tenant; return its token, which is shown only once."""
    id, token = secrets.token_hex(_ID_BYTES), secrets.token_hex(32)
    connection.execute(
        insert(invitations).values(
            id=id,
            token_hash=_hash_token(token),
            tenant=tenant,
            role=role,
            email=email,
            made_by=actor.encode(),
            made_at=made_at,
            expires_at=expires_at,
        )
    )
    details = {"role": role, "expires_at": expires_at}
    note_tenant_event(
        connection, tenant, actor, "invitation-made", at=made_at, subject=id, details=details
    )
    return token


def find_invitation(connection: Connection, token: str, at: str) -> Invitation | None:
    """Return the invitation with this token; None if it is unknown, used, withdrawn or expired."""
    if not _TOKEN.fullmatch(token):
        return None
    query = select(*_COLUMNS).where(invitations.c.token_hash == _hash_token(token))
    row = connection.execute(query).one_or_none()
    if row is None or not is_in_force(row.expires_at, row.ended_at, at):
        return None
    return _parse(row)


def load_invitations(
    connection: Connection,
    tenant: str,
    at: str,
    *,
    after: ListPosition | None = None,
    limit: int | None = None,
) -> list[Invitation]:
    """Return a tenant's open invitations, oldest first."""
    query = select(*_COLUMNS).where(
        (invitations.c.tenant == tenant)
        & invitations.c.ended_at.is_(None)
        & (invitations.c.expires_at > at)
    )
    query = order_by_time(query, invitations.c.made_at, invitations.c.id, after=after, limit=limit)
    return [_parse(row) for row in connection.execute(query)]


def use_invitation(
    connection: Connection, token: str, person: str, at: str
) -> tuple[Invitation, bool] | None:
    """Make the person a member; None if the invitation is not open, or another was faster.

    Returns the invitation, and whether the person is new in the tenant.  An invitation is not used
    up by a person who is a member already.
    """
    invitation = find_invitation(connection, token, at)
    if invitation is None:
        return None
    if any(each.tenant == invitation.tenant for each in load_memberships(connection, person)):
        return invitation, False
    # One statement, so that of two persons at the same moment only one changes the row.
    used = connection.execute(
        update(invitations)
        .where((invitations.c.id == invitation.id) & invitations.c.ended_at.is_(None))
        .values(ended_at=at, used_by=person)
    )
    if used.rowcount != 1:
        return None
    actor = Actor("person", person)
    is_new = add_member(
        connection, invitation.tenant, person, invitation.role, actor, at, invitation=invitation.id
    )
    return invitation, is_new


def withdraw_invitation(
    connection: Connection, tenant: str, id: str, actor: Actor, at: str
) -> bool:
    """Withdraw an open invitation; return False if the tenant has none with this id."""
    ended = connection.execute(
        update(invitations)
        .where(
            (invitations.c.id == id)
            & (invitations.c.tenant == tenant)
            & invitations.c.ended_at.is_(None)
        )
        .values(ended_at=at)
    )
    if ended.rowcount == 1:
        note_tenant_event(connection, tenant, actor, "invitation-withdrawn", at=at, subject=id)
    return ended.rowcount == 1


_COLUMNS = [column for column in invitations.c if column is not invitations.c.token_hash]


def _parse(row: Row[Any]) -> Invitation:
    members = row._asdict()
    return Invitation(**members | {"role": parse_role(row.role)})


def _hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
