"""Passkeys of persons, noted in the audit trails of all their tenants, and answered challenges."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, delete, func, select, text, update

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.people.actors import Actor
from anchor.people.lifetimes import later
from anchor.people.passkey_rules import (
    CHALLENGE_SECONDS,
    MOST_PASSKEYS,
    NewPasskey,
    is_counter_plausible,
    may_use_passkeys,
)
from anchor.people.roles import permissions_of_role
from anchor.store.memberships import load_memberships
from anchor.store.schema import answered_challenges, passkeys, people, sessions
from anchor.store.tenant_events import Action, note_tenant_event

_ID_BYTES = 8

Use: TypeAlias = Literal["accepted", "answered-before", "unknown", "no-tenant", "counter"]
"""What became of a sign-in whose signature is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey of a person; ``used_at`` is its last sign-in."""

    id: str
    person: str
    credential: bytes
    public_key: bytes
    name: str
    made_at: str
    used_at: str | None


def load_passkeys(connection: Connection, person: str) -> list[Passkey]:
    """Return a person's passkeys, the oldest first."""
    rows = connection.execute(
        select(passkeys)
        .where(passkeys.c.person == person)
        .order_by(passkeys.c.made_at, passkeys.c.id)
    )
    return [_parse(row) for row in rows]


def find_passkey(connection: Connection, credential: bytes) -> Passkey | None:
    """Return the passkey with this credential id."""
    row = connection.execute(
        select(passkeys).where(passkeys.c.credential == credential)
    ).one_or_none()
    return None if row is None else _parse(row)


def can_have_passkeys(connection: Connection, person: str) -> bool:
    """Return whether a person belongs to a tenant in which they may do anything."""
    return may_use_passkeys(
        permissions_of_role(each.role, is_suspended=each.is_suspended)
        for each in load_memberships(connection, person)
    )


def check_new_passkey(connection: Connection, person: str) -> None:
    """Check that a person may have one more passkey.

    Raises:
        UsageError: They have the most already, or no tenant in which they may do anything.
    """
    if not can_have_passkeys(connection, person):
        raise UsageError(Message("passkey-no-tenant"))
    count = select(func.count()).where(passkeys.c.person == person)
    if connection.execute(count).scalar_one() >= MOST_PASSKEYS:
        raise UsageError(Message("passkey-too-many", limit=MOST_PASSKEYS))


def add_passkey(
    connection: Connection, person: str, new: NewPasskey, name: str, challenge: bytes, at: str
) -> str:
    """Store a person's new passkey, made in answer to this challenge; return its id.

    Raises:
        UsageError: The challenge was answered before, the passkey is known, or the person may have
            no more.
    """
    # Two at a time must not be one too many.
    connection.execute(select(people.c.id).where(people.c.id == person).with_for_update()).one()
    if not _use_up(connection, challenge, at):
        raise UsageError(Message("passkey-answered-before"))
    check_new_passkey(connection, person)
    id = secrets.token_hex(_ID_BYTES)
    added = connection.execute(
        _ADD,
        {
            "id": id,
            "credential": new.credential,
            "person": person,
            "public_key": new.public_key,
            "sign_count": new.sign_count,
            "name": name,
            "at": at,
        },
    )
    if added.rowcount == 0:
        raise UsageError(Message("passkey-known"))
    _note(connection, person, "passkey-added", id, at)
    return id


def rename_passkey(connection: Connection, person: str, id: str, name: str, at: str) -> bool:
    """Give a passkey another name; return False if the person has none with this id."""
    row = (passkeys.c.id == id) & (passkeys.c.person == person)
    if connection.execute(update(passkeys).where(row).values(name=name)).rowcount == 0:
        return False
    _note(connection, person, "passkey-renamed", id, at)
    return True


def remove_passkey(connection: Connection, person: str, id: str, at: str) -> bool:
    """Remove a passkey, with which its sessions end; return False if the person has none."""
    row = (passkeys.c.id == id) & (passkeys.c.person == person)
    if connection.execute(delete(passkeys).where(row)).rowcount == 0:
        return False
    its = (sessions.c.passkey == id) & sessions.c.ended_at.is_(None)
    connection.execute(update(sessions).where(its).values(ended_at=at))
    _note(connection, person, "passkey-removed", id, at)
    return True


def use_passkey(connection: Connection, id: str, sign_count: int, challenge: bytes, at: str) -> Use:
    """Note a sign-in whose signature is right, and return whether it is to be accepted.

    A counter that did not grow tells that there are two authenticators with this key.
    """
    row = connection.execute(
        select(passkeys.c.person, passkeys.c.sign_count)
        .where(passkeys.c.id == id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return "unknown"
    if not _use_up(connection, challenge, at):
        return "answered-before"
    if not can_have_passkeys(connection, row.person):
        return "no-tenant"
    if not is_counter_plausible(row.sign_count, sign_count):
        _note(connection, row.person, "passkey-refused", id, at)
        return "counter"
    values = {"sign_count": sign_count, "used_at": at}
    connection.execute(update(passkeys).where(passkeys.c.id == id).values(**values))
    _note(connection, row.person, "passkey-used", id, at)
    return "accepted"


def _use_up(connection: Connection, challenge: bytes, at: str) -> bool:
    """Store that a challenge is answered; return False if it was before."""
    connection.execute(delete(answered_challenges).where(answered_challenges.c.expires_at <= at))
    values = {"challenge": challenge, "expires_at": later(at, CHALLENGE_SECONDS)}
    return connection.execute(_ANSWER, values).rowcount == 1


def _note(connection: Connection, person: str, action: Action, id: str, at: str) -> None:
    for each in load_memberships(connection, person):
        note_tenant_event(
            connection, each.tenant, Actor("person", person), action, at=at, subject=id
        )


_ADD = text(
    "INSERT INTO passkeys (id, credential, person, public_key, sign_count, name, made_at) "
    "VALUES (:id, :credential, :person, :public_key, :sign_count, :name, :at) "
    "ON CONFLICT (credential) DO NOTHING"
)
_ANSWER = text(
    "INSERT INTO answered_challenges (challenge, expires_at) VALUES (:challenge, :expires_at) "
    "ON CONFLICT (challenge) DO NOTHING"
)


def _parse(row: Row[Any]) -> Passkey:
    names = ("id", "person", "credential", "public_key", "name", "made_at", "used_at")
    return Passkey(**{name: getattr(row, name) for name in names})
