"""Editions of the store: data derived from it stays valid as long as its edition is the same."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from anchor.base.types import ChainId, Head
from anchor.store.heads import AnchoredHead, newest_final_anchor, newest_head
from anchor.store.incidents import count_changes
from anchor.store.schema import project


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """The state of the store that receipts depend on; any change to that state is a new edition.

    The same head can be anchored again in another block after an incident, and the store can be
    replaced by another one.
    """

    store_made_at: str
    incidents: tuple[int, int]
    newest: Head | None
    final: AnchoredHead | None


def load_edition(connection: Connection, chain_id: ChainId) -> Edition:
    """Return the store's current edition."""
    newest = newest_head(connection)
    return Edition(
        store_made_at=connection.execute(select(project.c.created_at)).scalar_one(),
        incidents=count_changes(connection, chain_id),
        newest=None if newest is None else newest.head,
        final=newest_final_anchor(connection, chain_id),
    )
