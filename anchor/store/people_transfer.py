"""Transfer of tenants, their people, cases and retention dates from a backup to a restored store.

Sessions and invitations are left out, because they may have been ended since the backup was made,
and API keys and links to cases, because they may have been revoked; webhooks, for the same reason,
and messages that wait, because they may have been sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, insert, select

from anchor.store.schema import (
    case_exhibits,
    case_members,
    case_notes,
    case_parties,
    cases,
    identities,
    mail_choices,
    memberships,
    people,
    retentions,
    tenant_events,
    tenants,
)

Rows: TypeAlias = tuple[Mapping[str, Any], ...]

# In the order in which rows may refer to each other.
_TABLES = (
    tenants,
    people,
    identities,
    memberships,
    mail_choices,
    tenant_events,
    cases,
    case_parties,
    case_exhibits,
    case_notes,
    case_members,
    retentions,
)
# Tables whose ids a store gives, in the order of the rows.
_NUMBERED = (tenant_events, case_notes)


@dataclass(frozen=True, slots=True)
class StoredPeople:
    """The rows of tenants, people, their choices and events, cases and retention dates."""

    tables: tuple[Rows, ...]

    @property
    def is_empty(self) -> bool:
        """Return whether there are no rows."""
        return not any(self.tables)


def load_people(connection: Connection) -> StoredPeople:
    """Return every tenant, person, identity, membership, choice, event and case of a store."""
    tables: list[Rows] = []
    for table in _TABLES:
        query = select(table).order_by(*table.primary_key.columns)
        tables.append(tuple(row._asdict() for row in connection.execute(query)))
    return StoredPeople(tuple(tables))


def insert_people(connection: Connection, stored: StoredPeople) -> None:
    """Insert the rows into a store that has none; events and notes get new ids, in the same order.

    ``settle_exhibits`` is to be called once the store has its evidence.
    """
    for table, rows in zip(_TABLES, stored.tables, strict=True):
        values = [dict(row) for row in rows]
        if table in _NUMBERED:
            for row in values:
                del row["id"]
        if values:
            connection.execute(insert(table), values)
