"""The fence around a store that another one replaced: nothing is taken in there any more.

It is made of triggers, so that the database itself refuses: no process has to ask for it, and an
older release is refused as well.  Making one waits for transactions that take evidence in, and
holds up new ones: what was committed before it is there for whoever reads afterwards, and what
comes after it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, text

from anchor.store.database import Database
from anchor.store.location import IS_FENCED, REPLACED

# Taking evidence in, the lease of whoever seals and sends, and what would protect nothing there: a
# legal hold, a tenant's quota, a key that is revoked.
_TABLES = ("evidence", "lease", "holds", "tenants", "api_keys")
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
    """A fence that was made, and whether it stays whatever happens from here on."""

    stays: bool


@contextmanager
def fenced(database: Database) -> Iterator[Fence]:
    """Fence a store in PostgreSQL off; where the block fails before ``stays``, it goes.

    Raises:
        StoreBusyError: A transaction in the store did not end.
        ConfigError: The user may not do this in the store.
    """
    # One that an earlier restore made stays.
    fence = Fence(stays=database.write_with_retry(_raise_fence))
    # A crash from here on leaves the fence: restoring again goes on.
    try:
        yield fence
    except BaseException:
        if not fence.stays:
            database.write_with_retry(_lift_fence)
        raise


def _raise_fence(connection: Connection) -> bool:
    """Make the fence; return whether there was one."""
    if connection.execute(text(IS_FENCED)).scalar_one():
        return True
    connection.execute(text(_FUNCTION))
    for table in _TABLES:
        connection.execute(text(_TRIGGER.format(table=table)))
    return False


def _lift_fence(connection: Connection) -> None:
    for table in _TABLES:
        connection.execute(text(_LIFT.format(table=table)))
