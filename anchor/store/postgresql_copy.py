"""Long lists of evidence into PostgreSQL, by COPY.

Each row is made while the server writes the one before, straight into the table.  That a list is
all new is tried first; what is stored already is looked for only where that fails.
"""

from __future__ import annotations

import struct
from typing import Any

from psycopg import Connection as DriverConnection
from psycopg import errors as driver_errors
from sqlalchemy import Connection, text

from anchor.errors import StoreBusyError
from anchor.store.acknowledged_log import build_entry
from anchor.store.acknowledged_log_frames import Entry
from anchor.store.evidence import Batch, NewEvidence
from anchor.store.location import lock_key

# Of a list, how many are looked up before it is tried whether all of it is new.
_SAMPLE = 100
_ATTEMPTS = 3
# Two lists of the same evidence would again and again wait for each other in a circle.
_TURN = text(f"SELECT pg_advisory_xact_lock({lock_key('bulk intake of')})")
_FIND_KNOWN = "SELECT identity FROM evidence WHERE identity = ANY(%s)"
# Others take some between them, so that they are no range; one value, not as many rows.
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
    """Insert those whose identity is new, in this order, and let them wait; return their entries.

    Raises:
        StoreBusyError: other processes take in the same evidence, one piece after the other.
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
    raise StoreBusyError("other processes take in the same evidence", hint="run again")


def _pick_new(connection: Connection, items: Batch) -> list[NewEvidence]:
    """Return the evidence that is not stored, each identity once."""
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
    """Insert ``items``; change nothing and return None if one is stored already, or given twice."""
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
                        # Noted here: asked for again, the item would be another leaf.
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
