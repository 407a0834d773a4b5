"""The check of ``anchor doctor`` for retention dates: how many passed, and whether they act."""

from __future__ import annotations

from anchor.base.messages.message import Message
from anchor.project.config import RetentionConfig
from anchor.store.database import Database
from anchor.store.retentions import count_retentions


def check_retentions(
    database: Database, rule: RetentionConfig, at: str
) -> tuple[Message, Message | None]:
    """Return how many dates there are, have passed and are beaten at ``at``, and what to do."""
    with database.read() as connection:
        counts = count_retentions(connection, at)
    acts = (
        Message("retention-acts", days=rule.grace_days)
        if rule.acts
        else Message("retention-does-not-act")
    )
    text = Message(
        "retention-counts",
        dated=counts.dated,
        passed=counts.passed,
        beaten=counts.beaten,
        acts=acts,
    )
    is_idle = counts.passed > 0 and not rule.acts
    return text, Message("doctor-retention-hint") if is_idle else None
