"""Copies of originals that tenants keep: rows, their parts, quota, and how each came out.

The bytes are in the object store, encrypted; a row has the copy's key, encrypted by the operator's
keyset.  Whatever a copy's state asks for is done by the job ``JOB`` about it, at least once.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from anchor.keeping.upload_rules import CopyState, RefusalReason
from anchor.people.actors import Actor
from anchor.store.jobs import order_job
from anchor.store.schema import kept_copies, kept_copy_parts, tenants
from anchor.store.tenant_events import note_tenant_event

JOB = "copy"
"""The kind of the jobs about copies; a job is about the copy's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCopy:
    """A copy of a piece of evidence; times are RFC 3339 texts.

    ``received`` of its ``length`` bytes are stored, in ``parts`` parts.  ``wrapped_key`` is None
    once it is refused or deleted, ``identity`` once it is deleted.
    """

    id: str
    tenant: str
    identity: bytes | None
    length: int
    received: int
    parts: int
    state: CopyState
    reason: RefusalReason | None
    wrapped_key: bytes | None
    begun_by: str
    begun_at: str
    expires_at: str
    settled_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPart:
    """A part of a copy: the name of its object, and how many bytes of the copy it has."""

    number: int
    object: str
    size: int


class OverCopyQuota(Exception):
    """The tenant's copies would have more than ``limit`` bytes; ``used`` are taken."""

    def __init__(self, used: int, limit: int) -> None:
        super().__init__()
        self.used = used
        self.limit = limit


HAS_KEY = kept_copies.c.wrapped_key.is_not(None)
"""The condition of a copy that can be read."""

_is_checked = kept_copies.c.state.in_(("checking", "waiting"))


def new_copy_id() -> str:
    """Return an id for a new copy, which its key is bound to."""
    return secrets.token_hex(16)


def begin_copy(
    connection: Connection,
    id: str,
    tenant: str,
    identity: bytes,
    *,
    length: int,
    wrapped_key: bytes,
    actor: Actor,
    at: str,
    expires_at: str,
    limit: int,
) -> KeptCopy:
    """Begin a copy of ``length`` bytes, which count against the tenant's ``limit`` from now on.

    A copy of the same evidence that lives is returned instead.  One that was refused makes room.
    """
    # Two transactions must not count the same room.
    connection.execute(select(tenants.c.name).where(tenants.c.name == tenant).with_for_update())
    former = find_copy_of(connection, identity)
    if former is not None and former.wrapped_key is not None:
        return former
    used = count_copy_bytes(connection, tenant)
    if used + length > limit:
        raise OverCopyQuota(used, limit)
    if former is not None:
        delete_copies(connection, kept_copies.c.id == former.id, at)
    copy = KeptCopy(
        id=id,
        tenant=tenant,
        identity=identity,
        length=length,
        received=0,
        parts=0,
        state="receiving" if length else "checking",
        reason=None,
        wrapped_key=wrapped_key,
        begun_by=actor.encode(),
        begun_at=at,
        expires_at=expires_at,
        settled_at=None,
    )
    insert_copy(connection, copy)
    order_job(connection, JOB, id, due_at=expires_at if length else at)
    return copy


def add_part(
    connection: Connection, copy: KeptCopy, part: CopyPart, *, at: str, expires_at: str
) -> KeptCopy | None:
    """Add the next part of a copy, whose object is stored; the last one orders its check.

    Returns None, and changes nothing, if another request has moved the copy on since.
    """
    received = copy.received + part.size
    state: CopyState = "receiving" if received < copy.length else "checking"
    moved = connection.execute(
        update(kept_copies)
        .where(
            (kept_copies.c.id == copy.id)
            & (kept_copies.c.state == "receiving")
            & (kept_copies.c.received == copy.received)
            & (kept_copies.c.parts == part.number)
        )
        .values(received=received, parts=part.number + 1, state=state, expires_at=expires_at)
    )
    if moved.rowcount != 1:
        return None
    connection.execute(
        insert(kept_copy_parts).values(
            copy=copy.id, number=part.number, object=part.object, size=part.size
        )
    )
    if state == "checking":
        order_job(connection, JOB, copy.id, due_at=at)
    return find_copy(connection, copy.id)


def find_copy(connection: Connection, id: str) -> KeptCopy | None:
    """Return the copy with this id."""
    row = connection.execute(select(kept_copies).where(kept_copies.c.id == id)).one_or_none()
    return None if row is None else parse_copy(row)


def find_copy_of(connection: Connection, identity: bytes) -> KeptCopy | None:
    """Return the newest copy of a piece of evidence, unless it was deleted."""
    row = connection.execute(
        select(kept_copies)
        .where((kept_copies.c.identity == identity) & (kept_copies.c.state != "deleted"))
        .order_by(kept_copies.c.begun_at.desc(), kept_copies.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else parse_copy(row)


def load_parts(connection: Connection, id: str) -> list[CopyPart]:
    """Return the parts of a copy, in order."""
    rows = connection.execute(
        select(kept_copy_parts.c.number, kept_copy_parts.c.object, kept_copy_parts.c.size)
        .where(kept_copy_parts.c.copy == id)
        .order_by(kept_copy_parts.c.number)
    )
    return [CopyPart(**row._asdict()) for row in rows]


def count_copy_bytes(connection: Connection, tenant: str) -> int:
    """Return how many bytes a tenant's copies take, with what is announced of those under way."""
    query = select(func.coalesce(func.sum(kept_copies.c.length), 0))
    return int(
        connection.execute(query.where((kept_copies.c.tenant == tenant) & HAS_KEY)).scalar_one()
    )


def count_all_copy_bytes(connection: Connection, first: str, last: str) -> dict[str, int]:
    """Return the bytes as ``count_copy_bytes`` does, of each tenant from ``first`` to ``last``."""
    total = func.sum(kept_copies.c.length).label("bytes")
    query = (
        select(kept_copies.c.tenant, total)
        .where(kept_copies.c.tenant.between(first, last) & HAS_KEY)
        .group_by(kept_copies.c.tenant)
    )
    return {row.tenant: int(row.bytes) for row in connection.execute(query)}


def save_kept(connection: Connection, id: str, *, at: str) -> None:
    """Record that a copy is the evidence, and is kept."""
    _settle(connection, id, {"state": "kept", "settled_at": at}, at)


def save_copy_refusal(connection: Connection, id: str, reason: RefusalReason, *, at: str) -> None:
    """Record why a copy is not kept, destroy its key, and order that its objects be removed."""
    values = {"state": "refused", "reason": reason, "wrapped_key": None, "settled_at": at}
    if _settle(connection, id, values, at):
        order_job(connection, JOB, id, due_at=at)


def save_copy_waiting(connection: Connection, id: str) -> None:
    """Record that the scanner cannot tell yet."""
    query = update(kept_copies).where((kept_copies.c.id == id) & _is_checked)
    connection.execute(query.values(state="waiting"))


def delete_copies(connection: Connection, which: ColumnElement[bool], at: str) -> int:
    """Destroy the keys of copies, and order that their objects be removed; return how many."""
    ids = connection.execute(
        select(kept_copies.c.id).where(which & (kept_copies.c.state != "deleted"))
    ).scalars()
    named = list(ids)
    values = {"state": "deleted", "identity": None, "reason": None, "wrapped_key": None}
    for id in named:
        connection.execute(update(kept_copies).where(kept_copies.c.id == id).values(**values))
        order_job(connection, JOB, id, due_at=at)
    return len(named)


def drop_copy(connection: Connection, id: str, *, at: str) -> None:
    """Delete one copy."""
    delete_copies(connection, kept_copies.c.id == id, at)


def end_upload(connection: Connection, id: str, *, at: str) -> bool:
    """Delete a copy whose bytes have not all arrived; return False if it is none."""
    return delete_copies(connection, _arriving(id), at) == 1


def end_expired_upload(connection: Connection, id: str, *, at: str) -> None:
    """Delete a copy whose bytes have not all arrived, unless more have arrived lately."""
    delete_copies(connection, _arriving(id) & (kept_copies.c.expires_at <= at), at)


def forget_copies(connection: Connection, erased: Sequence[tuple[bytes, str]]) -> None:
    """Delete the copies of erased evidence, given by identity with the time of its erasure."""
    for identity, at in erased:
        if identity:
            delete_copies(connection, kept_copies.c.identity == identity, at)


def forget_objects(connection: Connection, id: str) -> None:
    """Record that no object of a refused or deleted copy is left; a deleted one is gone then."""
    if connection.execute(
        select(kept_copies.c.id).where((kept_copies.c.id == id) & ~HAS_KEY)
    ).one_or_none():
        connection.execute(delete(kept_copy_parts).where(kept_copy_parts.c.copy == id))
        gone = (kept_copies.c.id == id) & (kept_copies.c.state == "deleted")
        connection.execute(delete(kept_copies).where(gone))


def _arriving(id: str) -> ColumnElement[bool]:
    return (kept_copies.c.id == id) & (kept_copies.c.state == "receiving")


def insert_copy(connection: Connection, copy: KeptCopy) -> None:
    """Insert the row of a copy."""
    values = {field.name: getattr(copy, field.name) for field in fields(copy)}
    connection.execute(insert(kept_copies).values(**values))


def _settle(connection: Connection, id: str, values: dict[str, Any], at: str) -> bool:
    """Settle a copy that is being checked, once, and note it; return False if it is not."""
    copy = find_copy(connection, id)
    query = update(kept_copies).where((kept_copies.c.id == id) & _is_checked).values(**values)
    if copy is None or copy.identity is None or connection.execute(query).rowcount != 1:
        return False
    note_tenant_event(
        connection,
        copy.tenant,
        Actor.decode(copy.begun_by),
        "copy-kept" if values["state"] == "kept" else "copy-refused",
        at=at,
        subject=copy.identity.hex(),
        details={"copy": id, "reason": values.get("reason")},
    )
    return True


def parse_copy(row: Row[Any]) -> KeptCopy:
    """Return the copy of a row."""
    return KeptCopy(**row._asdict())
