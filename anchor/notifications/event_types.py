"""What tenants are told about: one table of events, their topics, and who may be told by e-mail."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, TypeAlias, get_args

from anchor.people.roles import Role, permissions_of_role

NotificationType: TypeAlias = Literal[
    "evidence.final",
    "certificate.issued",
    "certificate.refused",
    "certificate.revoked",
    "notice.recorded",
    "retention.due",
    "retention.erased",
    "member.joined",
    "member.removed",
    "key.created",
    "key.revoked",
    "quota.reached",
    "webhook.disabled",
]
"""An event, by the name that its message bears."""

NOTIFICATION_TYPES: Final[tuple[NotificationType, ...]] = get_args(NotificationType)

Topic: TypeAlias = Literal[
    "evidence", "certificates", "notices", "retention", "members", "keys", "quota", "webhooks"
]
"""What a person chooses to be told about."""

TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)

OWNER_TOPICS: Final[frozenset[Topic]] = frozenset(
    {"retention", "members", "keys", "quota", "webhooks"}
)
"""The topics that only a tenant's owners are told about, and are unless they chose otherwise."""

_TOPIC_OF: Final[Mapping[NotificationType, Topic]] = {
    "evidence.final": "evidence",
    "certificate.issued": "certificates",
    "certificate.refused": "certificates",
    "certificate.revoked": "certificates",
    "notice.recorded": "notices",
    "retention.due": "retention",
    "retention.erased": "retention",
    "member.joined": "members",
    "member.removed": "members",
    "key.created": "keys",
    "key.revoked": "keys",
    "quota.reached": "quota",
    "webhook.disabled": "webhooks",
}


def is_told_by_mail(role: Role, event: NotificationType, chosen: Collection[str] | None) -> bool:
    """Return whether a person with this role gets an e-mail about an event.

    ``chosen`` are the topics that the person chose; None if they never did.
    """
    topic = _TOPIC_OF[event]
    if topic in OWNER_TOPICS:
        return role == "owner" and (chosen is None or topic in chosen)
    return "read" in permissions_of_role(role) and chosen is not None and topic in chosen


def parse_notification_type(text: str) -> NotificationType | None:
    """Return the event with this name; None if there is none."""
    return next((event for event in NOTIFICATION_TYPES if event == text), None)


def parse_topic(text: str) -> Topic | None:
    """Return the topic with this name; None if there is none."""
    return next((topic for topic in TOPICS if topic == text), None)
