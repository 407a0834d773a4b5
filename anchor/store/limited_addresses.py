"""Addresses whose requests were refused because of a limit, as all workers counted them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, text

from anchor.store.schema import limited_addresses

MOST_LIMITED = 1_000
"""The most addresses that are kept, those limited last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedAddress:
    """An address, or the /64 network of an IPv6 address, and how often it was refused."""

    address: str
    refusals: int
    first_at: str
    last_at: str


def add_limited(
    connection: Connection, refusals: Mapping[str, int], *, at: str, forget_before: str
) -> None:
    """Add what a worker counted since the last time; delete the oldest, and what is too old."""
    # In one order, so that two workers do not wait for each other.
    for address in sorted(refusals):
        connection.execute(_ADD, {"address": address, "refusals": refusals[address], "at": at})
    ordered = select(limited_addresses.c.last_at).order_by(limited_addresses.c.last_at.desc())
    oldest = connection.execute(ordered.offset(MOST_LIMITED - 1).limit(1)).scalar()
    before = max(forget_before, oldest or "")
    connection.execute(delete(limited_addresses).where(limited_addresses.c.last_at < before))


def load_limited(connection: Connection, limit: int) -> list[LimitedAddress]:
    """Return the addresses that were limited last."""
    rows = connection.execute(
        select(limited_addresses)
        .order_by(limited_addresses.c.last_at.desc(), limited_addresses.c.address)
        .limit(limit)
    )
    return [LimitedAddress(**row._asdict()) for row in rows]


_ADD = text(
    "INSERT INTO limited_addresses (address, refusals, first_at, last_at) "
    "VALUES (:address, :refusals, :at, :at) ON CONFLICT (address) DO UPDATE SET "
    "refusals = limited_addresses.refusals + excluded.refusals, last_at = excluded.last_at"
)
