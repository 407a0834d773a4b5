"""Notes in cases, to which rows are only added."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, func, insert, select

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.people.actors import Actor
from anchor.people.case_rules import MAX_NOTES
from anchor.store.cases import CaseRow
from anchor.store.schema import case_notes
from anchor.store.tenant_events import note_tenant_event


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseNoteRow:
    """A note; ``author`` is an actor as the audit trail names it."""

    id: int
    at: str
    author: str
    text: str


_COLUMNS = [case_notes.c[field.name] for field in fields(CaseNoteRow)]


def load_case_notes(
    connection: Connection, case: str, limit: int, *, before: int | None = None
) -> list[CaseNoteRow]:
    """Return up to ``limit`` notes of a case, the newest first, below the id ``before``."""
    query = select(*_COLUMNS).where(case_notes.c.case == case)
    if before is not None:
        query = query.where(case_notes.c.id < before)
    rows = connection.execute(query.order_by(case_notes.c.id.desc()).limit(limit))
    return [CaseNoteRow(**row._asdict()) for row in rows]


def add_case_note(
    connection: Connection, case: CaseRow, text: str, actor: Actor, at: str
) -> CaseNoteRow:
    """Add a note; the same text from the same author right after is the same note."""
    newest = next(iter(load_case_notes(connection, case.id, 1)), None)
    if newest is not None and (newest.author, newest.text) == (actor.encode(), text):
        return newest
    count = select(func.count()).where(case_notes.c.case == case.id)
    if int(connection.execute(count).scalar_one()) >= MAX_NOTES:
        raise UsageError(Message("case-notes-too-many", limit=MAX_NOTES))
    values = {"at": at, "author": actor.encode(), "text": text}
    made = connection.execute(
        insert(case_notes).values({"case": case.id, **values}).returning(case_notes.c.id)
    )
    note = CaseNoteRow(id=made.scalar_one(), at=at, author=actor.encode(), text=text)
    details = {"note": str(note.id)}
    note_tenant_event(
        connection, case.tenant, actor, "case-note-added", at=at, subject=case.id, details=details
    )
    return note
