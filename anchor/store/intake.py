"""Evidence into the store, once."""

from __future__ import annotations

from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import IntegrityError

from anchor.errors import StoreBusyError, UsageError
from anchor.store.evidence import Batch, NewEvidence, StoredEvidence, find_by_identity, find_by_key
from anchor.store.schema import evidence, waiting

# Below this, PostgreSQL takes longer to set up a COPY than to insert the rows.
_WORTH_A_COPY = 1_000


def insert_evidence(connection: Connection, items: Batch) -> int:
    """Insert those whose identity is new, in this order, and let them wait; return how many."""
    if not len(items):
        return 0
    if connection.dialect.name == "postgresql":
        return _insert_into_postgresql(connection, items)
    return _insert_into_sqlite(connection, items)


_INSERT_NEW = (
    "INSERT INTO evidence (identity, source, sha256, sm3, record, leaf, accepted_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO NOTHING"
)
_LAST_ID = "SELECT coalesce(max(id), 0) FROM evidence"
_LET_WAIT = "INSERT INTO waiting SELECT id FROM evidence WHERE id > ?"


def _insert_into_sqlite(connection: Connection, items: Batch) -> int:
    # The driver's: SQLAlchemy takes longer for a statement than SQLite does.
    cursor = connection.connection.cursor()
    cursor.execute(_LAST_ID)
    last = cursor.fetchone()
    cursor.executemany(_INSERT_NEW, list(items))
    # The transaction has the only writer, so that these are the rows above and no others.
    cursor.execute(_LET_WAIT, last)
    return cursor.rowcount


def _insert_into_postgresql(connection: Connection, items: Batch) -> int:
    from sqlalchemy.dialects.postgresql import insert as insert_or_not

    from anchor.store.copying import copy_new

    if len(items) >= _WORTH_A_COPY:
        return copy_new(connection, items)
    unless_known = insert_or_not(evidence).on_conflict_do_nothing(index_elements=["identity"])
    fresh = unless_known.returning(evidence.c.id)
    found = connection.execute(fresh, [item._asdict() for item in items]).scalars().all()
    if found:
        connection.execute(insert(waiting), [{"evidence_id": id} for id in sorted(found)])
    return len(found)


def insert_once(
    connection: Connection, item: NewEvidence, key: bytes | None
) -> tuple[NewEvidence | StoredEvidence, bool]:
    """Insert ``item`` unless it is there; return what is there, and whether it is new.

    ``key`` is the hash of an idempotency key, under which only this very item may be submitted.

    Raises:
        UsageError: another was.
        StoreBusyError: another process uses the key right now.
    """
    if key is not None:
        known = find_by_key(connection, key)
        if known is not None and known.identity != item.identity:
            raise UsageError(
                "other evidence was submitted with this idempotency key",
                hint="give each submission a key of its own, and repeat it only as it was",
            )
    if insert_evidence(connection, [item]) == 0:
        stored = find_by_identity(connection, item.identity)
        assert stored is not None
        return stored, False
    if key is not None:
        _insert_key(connection, key, item.identity)
    return item, True


_INSERT_KEY = text("INSERT INTO keys SELECT :key, id FROM evidence WHERE identity = :identity")


def _insert_key(connection: Connection, key: bytes, identity: bytes) -> None:
    try:
        connection.execute(_INSERT_KEY, {"key": key, "identity": identity})
    except IntegrityError as error:
        raise StoreBusyError(
            "another process submits evidence with the same idempotency key", hint="run again"
        ) from error
