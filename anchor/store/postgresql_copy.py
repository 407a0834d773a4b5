"""Bulk insertion of evidence into PostgreSQL by COPY.

Each row is built while the server writes the previous one straight into the table.  All items are
first assumed to be new; stored ones are looked up only if that fails.
"""

from __future__ import annotations

import struct
from typing import Any

from psycopg import Connection as DriverConnection
from psycopg import errors as driver_errors
from sqlalchemy import Connection, text

from anchor.errors import StoreBusyError
from anchor.messages.message import Message
from anchor.store.acknowledged_log import build_entry
from anchor.store.acknowledged_log_frames import Entry
from anchor.store.evidence import Batch, NewEvidence
from anchor.store.location import lock_key

# Size of the sample of a list that is looked up: if none of it is stored, all items are assumed
# new.
_SAMPLE = 100
_ATTEMPTS = 3
# Serialised, because two lists of the same evidence would deadlock repeatedly.
_TURN = text(f"SELECT pg_advisory_xact_lock({lock_key('bulk intake of')})")
_FIND_KNOWN = "SELECT identity FROM evidence WHERE identity = ANY(%s)"
# Reserves ids one by one, because other sessions take some in between; returns them as one value.
_RESERVE_IDS = (
    "SELECT string_agg(int8send(nextval('evidence_id_seq')), ''::bytea) FROM generate_series(1, %s)"
)
_COLUMNS = {
    "id": "int8",
    "identity": "bytea",
    "source": "text",
    "sha256": "bytea",
    "sm3": "bytea",
    "record": "bytea",
    "leaf": "bytea",
    "accepted_at": "text",
}
_UNIQUE = "uq_evidence_identity"
_COPY_EVIDENCE = f"COPY evidence ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
_COPY_WAITING = "COPY waiting (evidence_id) FROM STDIN (FORMAT BINARY)"


def copy_new(connection: Connection, items: Batch) -> list[Entry]:
    """Insert and queue, in this order, the items whose identity is new; return their entries.

    Raises:
        StoreBusyError: Other processes keep inserting the same evidence, piece by piece.
    """
    connection.execute(_TURN)
    step = max(1, len(items) // _SAMPLE)
    sample = [items[index].identity for index in range(0, len(items), step)]
    picked = _pick_new(connection, items) if _find_known(connection, sample) else items
    for _ in range(_ATTEMPTS):
        entries = _copy(connection, picked)
        if entries is not None:
            return entries
        picked = _pick_new(connection, items)
    raise StoreBusyError(
        Message("evidence-accepted-elsewhere"), hint=Message("command-run-again-hint")
    )


def _pick_new(connection: Connection, items: Batch) -> list[NewEvidence]:
    """Return the items that are not stored yet, each identity once."""
    by_identity: dict[bytes, NewEvidence] = {}
    for submitted in items:
        by_identity.setdefault(submitted.identity, submitted)
    for identity in _find_known(connection, list(by_identity)):
        del by_identity[identity]
    return list(by_identity.values())


def _find_known(connection: Connection, identities: list[bytes]) -> list[bytes]:
    with _driver_of(connection).cursor(binary=True) as cursor:
        cursor.execute(_FIND_KNOWN, (identities,))
        return [identity for (identity,) in cursor]


def _driver_of(connection: Connection) -> DriverConnection[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, DriverConnection)
    return driver


def _copy(connection: Connection, items: Batch) -> list[Entry] | None:
    """Insert ``items``; return None and change nothing if one is stored already or a duplicate."""
    entries: list[Entry] = []
    with _driver_of(connection).cursor(binary=True) as cursor:
        cursor.execute(_RESERVE_IDS, (len(items),))
        row = cursor.fetchone()
        ids = struct.unpack(f">{len(items)}q", row[0] if row and row[0] else b"")
        try:
            with connection.begin_nested():
                with cursor.copy(_COPY_EVIDENCE) as copy:
                    copy.set_types(list(_COLUMNS.values()))
                    for id, submitted in zip(ids, items, strict=True):
                        copy.write_row((id, *submitted))
                        # The entry is built from this very item: built
                        # anew, it would have another salt and leaf.
                        entries.append(build_entry(submitted))
                with cursor.copy(_COPY_WAITING) as copy:
                    copy.set_types(["int8"])
                    for id in ids:
                        copy.write_row((id,))
        except driver_errors.UniqueViolation as error:
            if error.diag.constraint_name != _UNIQUE:
                raise
            return None
    return entries
