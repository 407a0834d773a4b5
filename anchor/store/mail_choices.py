"""What people want to be told by e-mail, and the tokens of the links by which they end it."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, text, update

from anchor.base.messages.catalogue import Language
from anchor.notifications.event_types import Topic, parse_topic
from anchor.store.schema import mail_choices

_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MailChoice:
    """A person's choice; ``topics`` is None if they never chose, ``language`` for both."""

    person: str
    topics: tuple[Topic, ...] | None
    language: Language | None
    token: str


def find_mail_choice(connection: Connection, person: str) -> MailChoice | None:
    """Return a person's choice; None if they never chose and no e-mail was sent to them."""
    query = select(mail_choices).where(mail_choices.c.person == person)
    row = connection.execute(query).one_or_none()
    return None if row is None else _parse(row)


def find_by_token(connection: Connection, token: str) -> MailChoice | None:
    """Return the choice that a link's token is for."""
    query = select(mail_choices).where(mail_choices.c.token == token)
    row = connection.execute(query).one_or_none()
    return None if row is None else _parse(row)


def save_mail_choice(
    connection: Connection, person: str, topics: Collection[Topic], language: Language | None
) -> None:
    """Store what a person chose."""
    ensure_token(connection, person)
    values = {"topics": " ".join(topics), "language": language}
    connection.execute(update(mail_choices).where(mail_choices.c.person == person).values(**values))


def end_mail(connection: Connection, token: str) -> bool:
    """Choose no topic for the person whose link has this token; False if nobody's has."""
    query = update(mail_choices).where(mail_choices.c.token == token).values(topics="")
    return connection.execute(query).rowcount == 1


def ensure_token(connection: Connection, person: str) -> str:
    """Return the token of a person's links, which is made with the first one."""
    connection.execute(_ADD, {"person": person, "token": secrets.token_hex(_TOKEN_BYTES)})
    choice = find_mail_choice(connection, person)
    assert choice is not None, "it was just added"
    return choice.token


_ADD = text(
    "INSERT INTO mail_choices (person, token) VALUES (:person, :token) "
    "ON CONFLICT (person) DO NOTHING"
)


def _parse(row: Row[Any]) -> MailChoice:
    topics = None if row.topics is None else map(parse_topic, row.topics.split())
    return MailChoice(
        person=row.person,
        topics=None if topics is None else tuple(topic for topic in topics if topic is not None),
        language=row.language,
        token=row.token,
    )
