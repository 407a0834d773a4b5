"""Owners of leaves according to side files, for lookup while a store is rebuilt.

They may be as many as the log's leaves, so they are kept in a temporary database, not in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anchor.store.acknowledged_log_frames import Entry
from anchor.store.batches import in_batches
from anchor.types import Hash32

_BATCH = 500
_CREATE = (
    "CREATE TABLE owners (leaf BLOB PRIMARY KEY, identity BLOB, tenant TEXT, key BLOB) "
    "WITHOUT ROWID"
)
_ADD = "INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?)"
_FIND = "SELECT identity, tenant, key FROM owners WHERE leaf = ?"
_FORGET = "DELETE FROM owners WHERE leaf = ?"
_KEYED = "SELECT key, identity FROM owners WHERE key IS NOT NULL"
_PIECES = "SELECT identity, max(tenant) FROM owners GROUP BY identity ORDER BY 2, 1"


@dataclass(frozen=True, slots=True)
class OwnedLeaf:
    """One acknowledged piece of evidence; ``tenant`` is empty if it has no tenant."""

    identity: bytes
    tenant: str


class Owners:
    """The entries of side files by leaf; a later entry for a leaf replaces an earlier one."""

    def __init__(self) -> None:
        # An empty name makes a temporary file, which SQLite removes with the connection.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute(_CREATE)

    def add(self, entries: Iterable[Entry]) -> None:
        """Add the entries of a side file."""
        self._connection.execute("BEGIN")
        self._connection.executemany(_ADD, entries)
        self._connection.execute("COMMIT")

    def find(self, leaf: Hash32) -> Entry | None:
        """Return the entry of a leaf; None if it has none."""
        row = self._connection.execute(_FIND, (leaf,)).fetchone()
        return None if row is None else Entry(leaf, *row)

    def load_keys(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield hashed idempotency keys with the identities of their evidence, in batches."""
        return in_batches(self._connection.execute(_KEYED), _BATCH)

    def load_pieces(self) -> Iterator[list[OwnedLeaf]]:
        """Yield each acknowledged piece of evidence once, ordered by tenant, in batches."""
        rows = self._connection.execute(_PIECES)
        return in_batches((OwnedLeaf(*row) for row in rows), _BATCH)

    def forget(self, leaves: Iterable[bytes]) -> None:
        """Delete the entries of these leaves."""
        self._connection.execute("BEGIN")
        self._connection.executemany(_FORGET, ((leaf,) for leaf in leaves))
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close and remove the temporary database."""
        self._connection.close()
