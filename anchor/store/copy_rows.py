"""Rows of copies for the operator: their encrypted keys, and their transfer to a restored store."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, insert, select, update

from anchor.store import fingerprints
from anchor.store.fingerprint_pages import About
from anchor.store.jobs import order_job
from anchor.store.kept_copies import HAS_KEY, JOB, find_copy_of, insert_copy, parse_copy
from anchor.store.schema import kept_copies, kept_copy_parts


def load_wrapped_keys(connection: Connection) -> Iterator[tuple[str, str, bytes]]:
    """Yield tenant, id and encrypted key of each copy that has one."""
    columns = (kept_copies.c.tenant, kept_copies.c.id, kept_copies.c.wrapped_key)
    for row in connection.execute(select(*columns).where(HAS_KEY).order_by(kept_copies.c.id)):
        yield row.tenant, row.id, row.wrapped_key


def replace_wrapped_key(connection: Connection, id: str, old: bytes, new: bytes) -> None:
    """Replace the encrypted key of a copy, unless it was destroyed meanwhile."""
    which = (kept_copies.c.id == id) & (kept_copies.c.wrapped_key == old)
    connection.execute(update(kept_copies).where(which).values(wrapped_key=new))


def transfer_copies(source: Connection, target: Connection) -> None:
    """Copy the rows of copies whose evidence ``target`` holds, and order anew what they ask for."""
    for row in source.execute(select(kept_copies).order_by(kept_copies.c.id)):
        copy = parse_copy(row)
        if copy.identity is None or copy.wrapped_key is None or copy.state == "receiving":
            continue
        is_held = fingerprints.find(target, About.IDENTITY, [copy.identity])
        if not is_held or find_copy_of(target, copy.identity) is not None:
            continue
        insert_copy(target, copy)
        parts = select(kept_copy_parts).where(kept_copy_parts.c.copy == copy.id)
        for part in source.execute(parts):
            target.execute(insert(kept_copy_parts).values(**part._mapping))
        if copy.state != "kept":
            order_job(target, JOB, copy.id, due_at=copy.begun_at)
