"""Exhibits of cases whose evidence was erased: leaf and label stay, what identifies it goes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from anchor.store import fingerprints
from anchor.store.batches import in_batches
from anchor.store.fingerprint_pages import About
from anchor.store.schema import case_exhibits, erasures

_BATCH = 1_000


def forget_exhibits(connection: Connection, erased: Sequence[tuple[bytes, str]]) -> None:
    """Mark exhibits as erased; ``erased`` are the identities of evidence, and when it was."""
    for identity, erased_at in erased:
        connection.execute(
            update(case_exhibits)
            .where(case_exhibits.c.identity == identity)
            .values(identity=None, erased_at=erased_at)
        )


def settle_exhibits(connection: Connection) -> None:
    """Mark the exhibits whose evidence this store, which was restored, does not hold.

    Their records were erased, or lost.
    """
    query = select(case_exhibits.c.identity).where(case_exhibits.c.identity.is_not(None)).distinct()
    for batch in in_batches(connection.execute(query).scalars().all(), _BATCH):
        held = fingerprints.find(connection, About.IDENTITY, batch)
        for identity in batch:
            if identity not in held:
                _forget_missing(connection, identity)


def _forget_missing(connection: Connection, identity: bytes) -> None:
    erased_at = (
        select(func.min(erasures.c.erased_at))
        .where(erasures.c.leaf == case_exhibits.c.leaf)
        .scalar_subquery()
    )
    connection.execute(
        update(case_exhibits)
        .where(case_exhibits.c.identity == identity)
        .values(identity=None, erased_at=erased_at)
    )
