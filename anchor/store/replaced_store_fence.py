"""The fence around a replaced store, which makes the store refuse new evidence.

It consists of triggers, so that the database itself refuses writes: no process has to check for
it, and older releases are refused as well.  Creating the fence waits for transactions that insert
evidence, and blocks new ones: everything committed before it can be read afterwards, and every
later insert is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, text

from anchor.store.database import Database
from anchor.store.location import IS_FENCED, REPLACED

# Intake of evidence, the lease of the process that seals and sends, and changes that would have no
# effect in a replaced store: legal holds, tenants' quotas, revoked keys, members, sign-ins.
_TABLES = (
    "runs", "lease", "holds", "tenants", "api_keys", "memberships", "invitations", "sessions",
    "tenant_events",
)  # fmt: skip
_FUNCTION = (
    "CREATE OR REPLACE FUNCTION anchor_replaced() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REPLACED}'; END $$"
)
_TRIGGER = (
    "CREATE OR REPLACE TRIGGER anchor_replaced BEFORE INSERT OR UPDATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION anchor_replaced()"
)
_LIFT = "DROP TRIGGER IF EXISTS anchor_replaced ON {table}"


@dataclass(slots=True)
class Fence:
    """A fence around a store; ``stays`` keeps it even if the restore fails."""

    stays: bool


@contextmanager
def fenced(database: Database) -> Iterator[Fence]:
    """Fence off a store in PostgreSQL; unfence it if the block fails before ``stays`` is set."""
    # A fence made by an earlier restore stays.
    fence = Fence(stays=database.write_with_retry(_raise_fence))
    # A crash from here on leaves the fence; the next restore continues with it.
    try:
        yield fence
    except BaseException:
        if not fence.stays:
            database.write_with_retry(_lift_fence)
        raise


def _raise_fence(connection: Connection) -> bool:
    """Create the fence; return whether it existed already."""
    if connection.execute(text(IS_FENCED)).scalar_one():
        return True
    connection.execute(text(_FUNCTION))
    for table in _TABLES:
        connection.execute(text(_TRIGGER.format(table=table)))
    return False


def _lift_fence(connection: Connection) -> None:
    for table in _TABLES:
        connection.execute(text(_LIFT.format(table=table)))
