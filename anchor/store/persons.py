"""Persons who signed in, recognised by provider and subject, never by e-mail alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, text, update

from anchor.people.stated_person import StatedPerson
from anchor.store.schema import identities, people

_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A person; name and e-mail are as the provider stated them at the last sign-in."""

    id: str
    name: str
    email: str | None
    email_verified: bool


def recognise_person(connection: Connection, stated: StatedPerson, at: str) -> str:
    """Return the id of the person with this identity, who is created at the first sign-in.

    Another person may have the same e-mail address: it joins nobody.
    """
    values = {
        "name": stated.name,
        "email": stated.email,
        "email_verified": int(stated.email_verified),
    }
    known = _find_identity(connection, stated)
    if known is not None:
        connection.execute(update(people).where(people.c.id == known).values(**values))
        return known
    id = secrets.token_hex(_ID_BYTES)
    connection.execute(insert(people).values(id=id, created_at=at, **values))
    identity = {"issuer": stated.issuer, "subject": stated.subject, "person": id, "at": at}
    if connection.execute(_ADD_IDENTITY, identity).rowcount == 1:
        return id
    # The same person signed in twice at the same moment, and the other sign-in was faster.
    connection.execute(delete(people).where(people.c.id == id))
    known = _find_identity(connection, stated)
    assert known is not None
    return known


def _find_identity(connection: Connection, stated: StatedPerson) -> str | None:
    query = select(identities.c.person).where(
        (identities.c.issuer == stated.issuer) & (identities.c.subject == stated.subject)
    )
    known: str | None = connection.execute(query).scalar_one_or_none()
    return known


_ADD_IDENTITY = text(
    "INSERT INTO identities (issuer, subject, person, created_at) "
    "VALUES (:issuer, :subject, :person, :at) ON CONFLICT (issuer, subject) DO NOTHING"
)


def find_persons(connection: Connection, ids: Iterable[str]) -> dict[str, PersonRow]:
    """Return the persons with these ids, by id."""
    rows = connection.execute(select(people).where(people.c.id.in_(sorted(set(ids)))))
    return {row.id: parse_person(row) for row in rows}


def parse_person(row: Row[Any]) -> PersonRow:
    """Return the person in a row that has the columns of ``people``."""
    return PersonRow(
        id=row.id, name=row.name, email=row.email, email_verified=bool(row.email_verified)
    )
