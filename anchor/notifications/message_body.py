"""The body of a message: canonical JSON, bounded, the same for every receiver and every attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from anchor.base.canonical import JsonValue, encode_canonical
from anchor.notifications.event_types import NotificationType

MAX_BODY: Final = 64 * 1024
"""The most bytes of a body, which receivers can rely on."""
MAX_LISTED: Final = 100
"""The most pieces of evidence that a message names; the rest are behind its link."""


def encode_message(
    event: NotificationType, at: str, tenant: str, data: Mapping[str, JsonValue]
) -> str:
    """Return a message as Standard Webhooks shapes it: ``type``, ``timestamp`` and ``data``."""
    members: dict[str, JsonValue] = {
        "type": event,
        "timestamp": at,
        "data": {"tenant": tenant, **data},
    }
    body = encode_canonical(members, subject="a message")
    assert len(body) <= MAX_BODY, "what goes into messages is bounded"
    return body.decode("utf-8")


def describe_retention(
    ids: Sequence[str], *, erased_from: str, base_url: str | None, tenant: str
) -> dict[str, JsonValue]:
    """Return the data of the message that evidence will be erased, the first of it at a time."""
    return {
        "count": len(ids),
        "ids": list(ids[:MAX_LISTED]),
        "erased_from": erased_from,
        "link": f"{base_url or ''}/tenants/{tenant}/evidence",
    }


def describe_final(
    ids: Sequence[str], *, count: int, since: int, size: int, base_url: str | None
) -> dict[str, JsonValue]:
    """Return the data of the message that evidence became final, however much it was.

    The evidence has indices from ``since`` up to ``size``; ``ids`` are the first of ``count``.
    """
    path = f"/v1/final-evidence?after={since}"
    return {
        "count": count,
        "ids": list(ids[:MAX_LISTED]),
        "from_index": since,
        "log_size": size,
        "link": f"{base_url or ''}{path}",
    }
