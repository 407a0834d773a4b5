"""Confirmations of e-mail addresses that no provider vouches for, by a link in an e-mail."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update

from anchor.people.mail_confirmation import confirmation_end, next_link_at
from anchor.store.jobs import order_job
from anchor.store.persons import PersonRow
from anchor.store.schema import mail_confirmations, people

CONFIRMATION_JOB = "confirmation"
"""The kind of the jobs that send a link; a job is about a person's id."""

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfirmation:
    """The newest question to a person; ``confirmed_at`` is None until it was answered."""

    person: str
    address: str
    asked: int
    asked_at: str
    expires_at: str
    confirmed_at: str | None


IS_TOLD: ColumnElement[bool] = people.c.email.is_not(None) & (
    (people.c.email_verified == 1)
    | exists().where(
        (mail_confirmations.c.person == people.c.id)
        & (mail_confirmations.c.address == people.c.email)
        & mail_confirmations.c.confirmed_at.is_not(None)
    )
)
"""The condition of people to whose address e-mails go: the provider, or they, confirmed it."""


def has_confirmed_address(connection: Connection, person: str) -> bool:
    """Return whether e-mails go to a person's address as it is now."""
    query = select(people.c.id).where((people.c.id == person) & IS_TOLD)
    return connection.execute(query).first() is not None


def find_confirmation(connection: Connection, person: str) -> MailConfirmation | None:
    """Return the newest question to a person."""
    row = connection.execute(select(*_COLUMNS).where(mail_confirmations.c.person == person)).first()
    return None if row is None else MailConfirmation(**row._asdict())


def ask_confirmation(connection: Connection, person: PersonRow, at: str) -> str | None:
    """Order a link to a person's address; return None, or from when on one may be asked for.

    Both the person and the address have to wait, whoever asked for a link to it.
    """
    assert person.email is not None, "whoever asks has an address"
    # Two requests must not order two links.
    connection.execute(select(people.c.id).where(people.c.id == person.id).with_for_update())
    theirs = mail_confirmations.c.person == person.id
    rows = connection.execute(
        select(mail_confirmations.c.asked, mail_confirmations.c.asked_at).where(
            theirs | (mail_confirmations.c.address == person.email)
        )
    ).all()
    free_at = max((next_link_at(row.asked, row.asked_at) for row in rows), default=at)
    if at < free_at:
        return free_at
    connection.execute(delete(mail_confirmations).where(theirs))
    connection.execute(
        insert(mail_confirmations).values(
            person=person.id,
            address=person.email,
            token_hash=None,
            asked=1 + max((row.asked for row in rows), default=0),
            asked_at=at,
            expires_at=confirmation_end(at),
        )
    )
    order_job(connection, CONFIRMATION_JOB, person.id, due_at=at)
    return None


def make_confirmation_token(connection: Connection, person: str, at: str) -> str | None:
    """Return the token of the link that is sent now, in place of an earlier one.

    None if there is nothing to confirm any more, or the address is another one by now.
    """
    confirmation = find_confirmation(connection, person)
    current = select(people.c.email).where(people.c.id == person)
    address = connection.execute(current).scalar_one_or_none()
    if confirmation is None or confirmation.confirmed_at or confirmation.address != address:
        return None
    token = secrets.token_hex(_TOKEN_BYTES)
    values = {"token_hash": _hash_token(token), "expires_at": confirmation_end(at)}
    theirs = mail_confirmations.c.person == person
    connection.execute(update(mail_confirmations).where(theirs).values(**values))
    return token


def find_by_link(connection: Connection, token: str, at: str) -> MailConfirmation | None:
    """Return the question to which a link's token is the answer, unless it has expired."""
    query = select(*_COLUMNS).where(_is_open(token, at))
    row = connection.execute(query).one_or_none()
    return None if row is None else MailConfirmation(**row._asdict())


def confirm_address(connection: Connection, token: str, at: str) -> bool:
    """Confirm the address to which a link was sent, once; return False if it is not open."""
    values = {"confirmed_at": at, "token_hash": None}
    query = update(mail_confirmations).where(_is_open(token, at)).values(**values)
    return connection.execute(query).rowcount == 1


_COLUMNS = [column for column in mail_confirmations.c if column.name != "token_hash"]


def _is_open(token: str, at: str) -> ColumnElement[bool]:
    is_it = mail_confirmations.c.token_hash == _hash_token(token)
    return is_it & (mail_confirmations.c.expires_at > at)


def _hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
