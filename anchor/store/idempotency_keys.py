"""Idempotency keys: the hashes under which pieces of evidence were submitted."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence, Set

from sqlalchemy import Connection, delete, func, insert, select

from anchor.base.messages.message import Message
from anchor.base.types import Hash32
from anchor.evidence import custody_event, record_notice
from anchor.store import fingerprints
from anchor.store.columns import Run
from anchor.store.fingerprint_pages import About
from anchor.store.runs import find_end, load_pieces
from anchor.store.schema import keys

CHAINED = (custody_event.ORIGIN, record_notice.ORIGIN)
"""The sources of records that are found by their key, which says which record they are about."""

_BATCH = 1_000


def insert_keys(connection: Connection, added: Sequence[tuple[bytes, bytes]]) -> None:
    """Insert the keys that are new and whose evidence, named by its identity, is stored."""
    known = fingerprints.find(connection, About.IDENTITY, [identity for _, identity in added])
    for key, identity in added:
        is_known = connection.execute(select(keys.c.piece).where(keys.c.key == key)).first()
        if identity in known and is_known is None:
            connection.execute(insert(keys).values(key=key, piece=known[identity][0]))


def insert_erased_keys(connection: Connection, added: Sequence[tuple[bytes, int]]) -> None:
    """Insert the keys that are new, each with its piece, which may have no identity any more."""
    for key, piece in added:
        if connection.execute(select(keys.c.piece).where(keys.c.key == key)).first() is None:
            connection.execute(insert(keys).values(key=key, piece=piece))


def load_keys(
    connection: Connection,
    without: Container[bytes],
    skipped: Callable[[Message], None] | None = None,
) -> Iterator[tuple[bytes, bytes]]:
    """Yield each key and its evidence's identity, except for leaves in ``without``.

    Keys of damaged runs are left out if ``skipped``, which receives a message for each, is given.

    Raises:
        ChainGuardError: A run is damaged, and ``skipped`` is not given.
    """
    for key, run, at in _load(connection, skipped):
        if not run.is_erased(at) and run.leaf(at) not in without:
            yield key, run.identity(at)


def load_erased_keys(
    connection: Connection,
    leaves: Container[bytes],
    skipped: Callable[[Message], None] | None = None,
) -> Iterator[tuple[bytes, Hash32]]:
    """Yield the key and leaf of each custody event and notice that is erased here or in ``leaves``.

    Raises:
        ChainGuardError: A run is damaged, and ``skipped`` is not given.
    """
    for key, run, at in _load(connection, skipped):
        # Other evidence loses its key when it is erased.
        is_chained = run.is_erased(at) or run.source(at).startswith(CHAINED)
        if is_chained and (run.is_erased(at) or run.leaf(at) in leaves):
            yield key, run.leaf(at)


def _load(
    connection: Connection, skipped: Callable[[Message], None] | None
) -> Iterator[tuple[bytes, Run, int]]:
    """Yield each key with the run of its piece, and the piece's place there."""
    rows = connection.execute(
        select(keys.c.piece, keys.c.key).order_by(keys.c.piece).execution_options(yield_per=_BATCH)
    )
    for batch in rows.partitions(_BATCH):
        pieces = {
            index: (run, at)
            for index, run, at in load_pieces(connection, (index for index, _ in batch), skipped)
        }
        for index, key in batch:
            if index in pieces:
                yield key, *pieces[index]


def count_lost_keys(connection: Connection) -> int:
    """Return how many keys belong to no piece that is stored; it should be 0."""
    end = find_end(connection)
    beyond = select(func.count()).where((keys.c.piece < 0) | (keys.c.piece >= end))
    return int(connection.execute(beyond.select_from(keys)).scalar_one())


def delete_keys(connection: Connection, pieces: Set[int]) -> None:
    """Delete the keys of these pieces."""
    # In one pass, because keys have no index by piece.
    deleted = [row.key for row in connection.execute(select(keys)) if row.piece in pieces]
    for key in deleted:
        connection.execute(delete(keys).where(keys.c.key == key))
