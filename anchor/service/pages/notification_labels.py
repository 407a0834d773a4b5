"""Words of the pages for events that tenants are told about, topics, and failed deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anchor.base.messages.message import Message
from anchor.notifications.event_types import NotificationType, Topic
from anchor.store.deliveries import Delivery, DeliveryState, Trouble

NOTIFICATION_LABELS: Final[Mapping[NotificationType, Message]] = {
    "evidence.final": Message("notification-evidence-final"),
    "certificate.issued": Message("notification-certificate-issued"),
    "certificate.refused": Message("notification-certificate-refused"),
    "certificate.revoked": Message("notification-certificate-revoked"),
    "notice.recorded": Message("notification-notice-recorded"),
    "retention.due": Message("notification-retention-due"),
    "retention.erased": Message("notification-retention-erased"),
    "member.joined": Message("notification-member-joined"),
    "member.removed": Message("notification-member-removed"),
    "key.created": Message("notification-key-created"),
    "key.revoked": Message("notification-key-revoked"),
    "quota.reached": Message("notification-quota-reached"),
    "webhook.disabled": Message("notification-webhook-disabled"),
}
TOPIC_LABELS: Final[Mapping[Topic, Message]] = {
    "evidence": Message("topic-evidence"),
    "certificates": Message("topic-certificates"),
    "notices": Message("topic-notices"),
    "retention": Message("topic-retention"),
    "members": Message("topic-members"),
    "keys": Message("topic-keys"),
    "quota": Message("topic-quota"),
    "webhooks": Message("topic-webhooks"),
}
DELIVERY_STATES: Final[Mapping[DeliveryState, Message]] = {
    "waiting": Message("delivery-waiting"),
    "delivered": Message("delivery-delivered"),
    "failed": Message("delivery-failed"),
}
_TROUBLES: Final[Mapping[Trouble, Message]] = {
    "name": Message("trouble-name"),
    "private": Message("trouble-private"),
    "secret": Message("trouble-secret"),
    "connection": Message("trouble-connection"),
    "tls": Message("trouble-tls"),
    "time": Message("trouble-time"),
    "redirect": Message("trouble-redirect"),
    "length": Message("trouble-length"),
    "status": Message("trouble-status"),
    "disabled": Message("trouble-disabled"),
    "address": Message("trouble-address"),
    "refused": Message("trouble-refused"),
}


def describe_trouble(trouble: Trouble | None, status: int | None) -> Message | None:
    """Return in words why the last attempt failed; None if it did not."""
    text = None if trouble is None else _TROUBLES[trouble]
    if text is not None and status is not None:
        return Message("trouble-with-status", trouble=text, status=status)
    return text


def describe_delivery(delivery: Delivery) -> dict[str, object]:
    """Return a delivery as a row of the page."""
    return {
        "message": delivery.message,
        "event": NOTIFICATION_LABELS[delivery.event],
        "state": DELIVERY_STATES[delivery.state],
        "is_settled": delivery.state != "waiting",
        "made_at": delivery.made_at,
        "tried_at": delivery.tried_at,
        "due_at": delivery.due_at if delivery.state == "waiting" else None,
        "status": delivery.status,
        "trouble": describe_trouble(delivery.trouble, delivery.status),
        "attempts": delivery.attempts,
    }
