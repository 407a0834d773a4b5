"""Links to a case: with a random token a court or an authority reads it without an account."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.people.actors import Actor
from anchor.people.case_rules import MAX_LINKS, LinkState
from anchor.people.lifetimes import is_in_force, later
from anchor.store.cases import CaseRow, parse_cases
from anchor.store.schema import case_links, cases
from anchor.store.tenant_events import note_tenant_event

_ID_BYTES = 8
_TOKEN = re.compile(r"[0-9a-f]{64}")
# A list shows those in force, and as many of the others.
_MOST_LISTED: Final = 2 * MAX_LINKS
_EVENT_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLink:
    """A link without its token; ``opened`` is how often it was used, ``opened_at`` when last."""

    id: str
    case: str
    label: str
    made_by: str
    made_at: str
    expires_at: str
    revoked_at: str | None
    opened: int
    opened_at: str | None

    def state_at(self, at: str) -> LinkState:
        """Return whether the link is in force at a time."""
        if is_in_force(self.expires_at, self.revoked_at, at):
            return "in-force"
        return "expired" if self.revoked_at is None else "revoked"


_COLUMNS = [case_links.c[field.name] for field in fields(CaseLink)]


def create_case_link(
    connection: Connection, case: CaseRow, label: str, actor: Actor, *, at: str, expires_at: str
) -> str:
    """Create a link to a locked case; return its token, which is shown only once."""
    in_force = (case_links.c.expires_at > at) & case_links.c.revoked_at.is_(None)
    count = select(func.count()).where((case_links.c.case == case.id) & in_force)
    if int(connection.execute(count).scalar_one()) >= MAX_LINKS:
        raise UsageError(Message("case-links-too-many", limit=MAX_LINKS))
    id, token = secrets.token_hex(_ID_BYTES), secrets.token_hex(32)
    values = {
        "id": id,
        "token_hash": _hash_token(token),
        "case": case.id,
        "label": label,
        "made_by": actor.encode(),
        "made_at": at,
        "expires_at": expires_at,
        "opened": 0,
    }
    connection.execute(insert(case_links).values(values))
    details = {"link": id, "expires_at": expires_at}
    note_tenant_event(
        connection, case.tenant, actor, "case-link-made", at=at, subject=case.id, details=details
    )
    return token


def load_case_links(connection: Connection, case: str, at: str) -> list[CaseLink]:
    """Return the links to a case, those in force first, and the newest first among both."""
    is_over = (case_links.c.expires_at <= at) | case_links.c.revoked_at.is_not(None)
    rows = connection.execute(
        select(*_COLUMNS)
        .where(case_links.c.case == case)
        .order_by(is_over, case_links.c.made_at.desc(), case_links.c.id)
        .limit(_MOST_LISTED)
    )
    return list(map(_parse, rows))


def revoke_case_link(connection: Connection, case: CaseRow, id: str, actor: Actor, at: str) -> bool:
    """Revoke a link; return False if the case has none with this id.

    A link that was revoked before stays as it is.
    """
    condition = (case_links.c.id == id) & (case_links.c.case == case.id)
    revoked = connection.execute(
        update(case_links)
        .where(condition & case_links.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    if revoked.rowcount == 1:
        details = {"link": id}
        note_tenant_event(
            connection,
            case.tenant,
            actor,
            "case-link-revoked",
            at=at,
            subject=case.id,
            details=details,
        )
        return True
    return connection.execute(select(case_links.c.id).where(condition)).first() is not None


def open_case_link(connection: Connection, token: str, at: str) -> tuple[CaseLink, CaseRow] | None:
    """Count a use of the link with this token, and return it with its case.

    None if it is unknown, revoked or expired.  The audit trail has at most one event an hour.
    """
    if not _TOKEN.fullmatch(token):
        return None
    row = connection.execute(
        update(case_links)
        .where(
            (case_links.c.token_hash == _hash_token(token))
            & case_links.c.revoked_at.is_(None)
            & (case_links.c.expires_at > at)
        )
        .values(opened=case_links.c.opened + 1, opened_at=at)
        .returning(*_COLUMNS, case_links.c.noted_at)
    ).one_or_none()
    if row is None:
        return None
    query = select(cases).where(cases.c.id == row.case)
    (case,) = parse_cases(connection, connection.execute(query).all())
    if row.noted_at is None or later(row.noted_at, _EVENT_SECONDS) <= at:
        noted = update(case_links).where(case_links.c.id == row.id)
        connection.execute(noted.values(noted_at=at))
        actor, details = Actor("link", row.id), {"link": row.id}
        note_tenant_event(
            connection,
            case.tenant,
            actor,
            "case-link-opened",
            at=at,
            subject=case.id,
            details=details,
        )
    return _parse(row), case


def _parse(row: Row[Any]) -> CaseLink:
    return CaseLink(**{field.name: getattr(row, field.name) for field in fields(CaseLink)})


def _hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
