"""Persons who signed in, recognised by provider and subject, never by e-mail alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

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
    known = connection.execute(
        select(identities.c.person).where(
            (identities.c.issuer == stated.issuer) & (identities.c.subject == stated.subject)
        )
    ).scalar_one_or_none()
    values = {
        "name": stated.name,
        "email": stated.email,
        "email_verified": int(stated.email_verified),
    }
    if known is not None:
        connection.execute(update(people).where(people.c.id == known).values(**values))
        return str(known)
    id = secrets.token_hex(_ID_BYTES)
    connection.execute(insert(people).values(id=id, created_at=at, **values))
    connection.execute(
        insert(identities).values(
            issuer=stated.issuer, subject=stated.subject, person=id, created_at=at
        )
    )
    return id


def find_persons(connection: Connection, ids: Iterable[str]) -> dict[str, PersonRow]:
    """Return the persons with these ids, by id."""
    rows = connection.execute(select(people).where(people.c.id.in_(sorted(set(ids)))))
    return {row.id: parse_person(row) for row in rows}


def parse_person(row: Row[Any]) -> PersonRow:
    """Return the person in a row that has the columns of ``people``."""
    return PersonRow(
        id=row.id, name=row.name, email=row.email, email_verified=bool(row.email_verified)
    )
