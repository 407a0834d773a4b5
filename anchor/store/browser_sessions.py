"""Browser sessions: found by a random token, of which the store has only the SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update

from anchor.people.lifetimes import is_in_force, minute_of, session_end
from anchor.store.api_keys import ApiKey, find_key_by_id
from anchor.store.persons import PersonRow, find_persons
from anchor.store.schema import passkeys, sessions

_ID_BYTES = 8
_TOKEN = re.compile(r"[0-9a-f]{64}")
_MAX_BROWSER = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose session it is: exactly one of a person's id and an API key's id."""

    person: str | None = None
    api_key: str | None = None

    @property
    def condition(self) -> ColumnElement[bool]:
        """The rows of this holder."""
        if self.person is not None:
            return sessions.c.person == self.person
        return sessions.c.api_key == self.api_key


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session without its token; ``used_at`` is to the minute, ``passkey`` what began it."""

    id: str
    holder: Holder
    browser: str
    begun_at: str
    expires_at: str
    used_at: str
    passkey: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSession:
    """A session in force, with its person or key as they are at the moment: one of them is set."""

    row: SessionRow
    person: PersonRow | None
    key: ApiKey | None


def begin_session(
    connection: Connection, holder: Holder, browser: str, at: str, *, passkey: str | None = None
) -> str:
    """Begin a session and return its token; remove the rows of sessions that have expired."""
    connection.execute(delete(sessions).where(sessions.c.expires_at <= at))
    token = secrets.token_hex(32)
    connection.execute(
        insert(sessions).values(
            id=secrets.token_hex(_ID_BYTES),
            token_hash=_hash_token(token),
            person=holder.person,
            api_key=holder.api_key,
            browser="".join(char for char in browser if char.isprintable())[:_MAX_BROWSER],
            begun_at=at,
            expires_at=session_end(at),
            used_at=minute_of(at),
            passkey=passkey,
        )
    )
    return token


def find_session(connection: Connection, token: str, at: str) -> BrowserSession | None:
    """Return the session with this token; None if it is unknown or not in force.

    A session of a key ends with the key, and one that a passkey began with the passkey.
    """
    if not _TOKEN.fullmatch(token):
        return None
    return _find(connection, sessions.c.token_hash == _hash_token(token), at)


def find_session_by_id(connection: Connection, id: str, at: str) -> BrowserSession | None:
    """Return the session with this id; None if it is unknown or not in force."""
    return _find(connection, sessions.c.id == id, at)


def load_sessions(connection: Connection, holder: Holder, at: str) -> list[SessionRow]:
    """Return a holder's sessions in force, the newest first."""
    rows = connection.execute(
        select(sessions)
        .where(
            holder.condition
            & sessions.c.ended_at.is_(None)
            & (sessions.c.expires_at > at)
            & _STANDS
        )
        .order_by(sessions.c.begun_at.desc(), sessions.c.id)
    )
    return [
        SessionRow(
            id=row.id,
            holder=holder,
            browser=row.browser,
            begun_at=row.begun_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
            passkey=row.passkey,
        )
        for row in rows
    ]


def end_sessions(connection: Connection, holder: Holder, at: str, id: str | None = None) -> int:
    """End all sessions of a holder, or the one with this id; return how many were ended."""
    rows = holder.condition & sessions.c.ended_at.is_(None)
    if id is not None:
        rows &= sessions.c.id == id
    return connection.execute(update(sessions).where(rows).values(ended_at=at)).rowcount


def touch_session(connection: Connection, id: str, at: str) -> None:
    """Store that the session was used in this minute."""
    connection.execute(update(sessions).where(sessions.c.id == id).values(used_at=minute_of(at)))


# A passkey may be removed at the moment in which it begins a session.
_STANDS = sessions.c.passkey.is_(None) | exists().where(passkeys.c.id == sessions.c.passkey)


def _find(connection: Connection, condition: ColumnElement[bool], at: str) -> BrowserSession | None:
    row = connection.execute(select(sessions).where(condition & _STANDS)).one_or_none()
    if row is None or not is_in_force(row.expires_at, row.ended_at, at):
        return None
    key = None if row.api_key is None else find_key_by_id(connection, row.api_key)
    if row.api_key is not None and (key is None or not key.stands_at(at)):
        return None
    person = None if row.person is None else find_persons(connection, [row.person])[row.person]
    stored = SessionRow(
        id=row.id,
        holder=Holder(person=row.person, api_key=row.api_key),
        browser=row.browser,
        begun_at=row.begun_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        passkey=row.passkey,
    )
    return BrowserSession(row=stored, person=person, key=key)


def _hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
