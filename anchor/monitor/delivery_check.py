"""The check of ``anchor doctor`` for messages to webhooks and people: what waits and fails."""

from __future__ import annotations

from anchor.base.messages.message import Message
from anchor.store.database import Database
from anchor.store.deliveries import count_deliveries


def check_deliveries(database: Database, since: str) -> tuple[Message, Message | None]:
    """Return how many messages wait, and whether the operator should look at failures since then.

    A receiver's failures are its own and stop nothing here.
    """
    with database.read() as connection:
        counts = count_deliveries(connection, since)
    text = Message(
        "dashboard-delivery-counts",
        waiting=counts.waiting,
        failing=counts.failing,
        given_up=counts.given_up,
    )
    has_failures = counts.failing or counts.given_up
    return text, Message("doctor-deliveries-hint") if has_failures else None
