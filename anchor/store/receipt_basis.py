"""Which edition of the store it is: what was made of it earlier holds for as long as that stays."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from anchor.store.heads import AnchoredHead, newest_final_anchor, newest_head
from anchor.store.incidents import count_changes
from anchor.store.schema import project
from anchor.types import ChainId, Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What receipts rest on in the store: it is another one as soon as any of it changes.

    The same head can be anchored again, in another block, after an incident; and another store can
    take the place of this one.
    """

    store_made_at: str
    incidents: tuple[int, int]
    newest: Head | None
    final: AnchoredHead | None


def load_edition(connection: Connection, chain_id: ChainId) -> Edition:
    """Return the store's edition now."""
    newest = newest_head(connection)
    return Edition(
        store_made_at=connection.execute(select(project.c.created_at)).scalar_one(),
        incidents=count_changes(connection, chain_id),
        newest=None if newest is None else newest.head,
        final=newest_final_anchor(connection, chain_id),
    )
