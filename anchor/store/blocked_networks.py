"""Networks from which the service answers nobody until a time that the operator chose."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from anchor.people.actors import Actor
from anchor.store.schema import blocked_networks

MOST_BLOCKED = 1_000
"""The most networks that are blocked at the same time: each worker has all of them in memory."""

_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedNetwork:
    """A blocked network (CIDR); ``made_by`` is the encoded actor, and times are RFC 3339 texts."""

    id: str
    network: str
    reason: str
    made_by: str
    made_at: str
    until: str


class TooManyBlocked(Exception):
    """``MOST_BLOCKED`` networks are blocked already."""


def block_network(
    connection: Connection, network: str, reason: str, actor: Actor, *, at: str, until: str
) -> BlockedNetwork:
    """Block a network in place of an earlier block of the same one; delete those that ended."""
    is_over = blocked_networks.c.until <= at
    connection.execute(
        delete(blocked_networks).where((blocked_networks.c.network == network) | is_over)
    )
    count = connection.execute(select(func.count()).select_from(blocked_networks)).scalar_one()
    if count >= MOST_BLOCKED:
        raise TooManyBlocked
    values = {
        "id": secrets.token_hex(_ID_BYTES),
        "network": network,
        "reason": reason,
        "made_by": actor.encode(),
        "made_at": at,
        "until": until,
    }
    connection.execute(insert(blocked_networks).values(**values))
    return BlockedNetwork(**values)


def unblock_network(connection: Connection, id: str) -> None:
    """End a block, if there is one with this id."""
    connection.execute(delete(blocked_networks).where(blocked_networks.c.id == id))


def load_blocked(connection: Connection, at: str) -> list[BlockedNetwork]:
    """Return the blocks in force, the newest first."""
    rows = connection.execute(
        select(blocked_networks)
        .where(blocked_networks.c.until > at)
        .order_by(blocked_networks.c.made_at.desc(), blocked_networks.c.id)
    )
    return [BlockedNetwork(**row._asdict()) for row in rows]
