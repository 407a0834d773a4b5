"""What a tenant does with a kept copy, noted in its audit trail: reading and deleting it."""

from __future__ import annotations

from sqlalchemy import Connection

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.people.actors import Actor
from anchor.store.case_exhibits import is_in_open_case
from anchor.store.erasures import find_by_ids, lock_holds
from anchor.store.kept_copies import KeptCopy, delete_copies, find_copy_of
from anchor.store.legal_holds import find_held
from anchor.store.schema import kept_copies
from anchor.store.tenant_events import note_tenant_event


def note_copy_read(connection: Connection, copy: KeptCopy, actor: Actor, *, at: str) -> None:
    """Note that a copy was read."""
    assert copy.identity is not None, "a kept copy has it"
    subject = copy.identity.hex()
    details = {"copy": copy.id}
    note_tenant_event(
        connection, copy.tenant, actor, "copy-read", at=at, subject=subject, details=details
    )


def delete_tenant_copy(
    connection: Connection, tenant: str, identity: bytes, actor: Actor, *, at: str
) -> bool:
    """Delete the copy of a tenant's evidence, and note it; return False if it has none.

    Raises:
        UsageError: The evidence is held, or an exhibit of an open case.
    """
    lock_holds(connection)
    copy = find_copy_of(connection, identity)
    if copy is None or copy.tenant != tenant:
        return False
    if copy.state == "kept":
        pieces = find_by_ids(connection, [identity])
        if find_held(connection, pieces) is not None:
            raise UsageError(Message("copy-held"))
        if any(is_in_open_case(connection, tenant, piece.leaf) for piece in pieces):
            raise UsageError(Message("copy-of-exhibit"))
    delete_copies(connection, kept_copies.c.id == copy.id, at)
    note_tenant_event(
        connection,
        tenant,
        actor,
        "copy-deleted",
        at=at,
        subject=identity.hex(),
        details={"copy": copy.id},
    )
    return True
