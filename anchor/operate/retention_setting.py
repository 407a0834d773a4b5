"""Retention dates that an owner of a tenant sets, never earlier than the date in the record."""

from __future__ import annotations

from sqlalchemy import Connection

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.evidence.retention import read_retention
from anchor.people.actors import Actor
from anchor.project.project import OpenProject
from anchor.store.erasures import lock_holds
from anchor.store.evidence import find_by_identity
from anchor.store.file_origins import tenant_of
from anchor.store.retentions import Retention, find_retention, forget_retentions, put_retention
from anchor.store.tenant_events import note_tenant_event


def set_retention(
    project: OpenProject, tenant: str, identity: bytes, until: str | None, actor: Actor
) -> None:
    """Set the date of a tenant's piece, or remove the one that was set; the record's own stays.

    ``until`` is in the format of the store.  A date that is set already changes nothing.

    Raises:
        UsageError: The date is earlier than the record's, or the tenant has no such evidence.
    """

    def work(connection: Connection) -> None:
        # What the daemon does about the former date must not be stored over the new one.
        lock_holds(connection)
        stored = find_by_identity(connection, identity)
        if stored is None or tenant_of(stored.source) != tenant:
            raise UsageError(Message("evidence-unknown-to-tenant"))
        stated = None if stored.record is None else read_retention(stored.record)
        if until is not None and stated is not None and until < stated:
            raise UsageError(Message("retention-before-record", until=stated))
        former = find_retention(connection, identity)
        if until == (None if former is None else former.owner_until):
            return
        effective = max(filter(None, (stated, until)), default=None)
        if effective is None:
            forget_retentions(connection, [identity])
        else:
            row = Retention(
                identity=identity,
                tenant=tenant,
                record_until=stated,
                owner_until=until,
                until=effective,
            )
            put_retention(connection, row)
        note_tenant_event(
            connection,
            tenant,
            actor,
            "retention-removed" if until is None else "retention-set",
            at=utc_now(),
            subject=identity.hex(),
            details={"until": until},
        )

    project.database.write_with_retry(work)
