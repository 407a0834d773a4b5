"""The documents of webhooks and of final evidence."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from anchor.base.canonical import MAX_INTEGER
from anchor.notifications.event_types import NotificationType
from anchor.notifications.webhook_target import MAX_URL
from anchor.service.schemas import FinalAfterBlocks
from anchor.store.deliveries import DeliveryState, Trouble

AfterIndex = Annotated[
    int, Query(ge=0, le=MAX_INTEGER, description="Only evidence with this index or a later one.")
]
FinalLimit = Annotated[int, Query(ge=1, le=1_000)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookRequest(_Document):
    """A webhook to make or change."""

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_URL,
            description="https://, without user name and fragment, to a public address.",
            examples=["https://receiver.example/anchor"],
        ),
    ]
    events: Annotated[list[NotificationType], Field(min_length=1, max_length=16)]


class WebhookDocument(_Document):
    """A webhook, without its secret."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    url: str
    events: list[NotificationType]
    state: Literal["enabled", "disabled"]
    made_at: str
    failing_since: Annotated[str | None, Field(description="The first failure since a success.")]
    disabled_at: str | None
    two_secrets_until: Annotated[
        str | None, Field(description="Until then messages are signed with the former secret, too.")
    ]


class WebhooksDocument(_Document):
    """The webhooks of the tenant, oldest first."""

    webhooks: list[WebhookDocument]


class MadeWebhookDocument(_Document):
    """A webhook that was made; its secret cannot be shown again."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    secret: Annotated[str, Field(pattern=r"^whsec_", description="As Standard Webhooks writes it.")]


class NewSecretDocument(_Document):
    """A webhook's new secret, which cannot be shown again."""

    secret: Annotated[str, Field(pattern=r"^whsec_")]


class DeliveryDocument(_Document):
    """A message to a webhook; ``message`` is its ``webhook-id``."""

    message: Annotated[str, Field(pattern=r"^msg_[0-9a-f]{32}$")]
    event: NotificationType
    state: DeliveryState
    made_at: str
    attempts: int
    tried_at: str | None
    due_at: Annotated[str | None, Field(description="The next attempt.")]
    status: Annotated[int | None, Field(description="The receiver's, of the last attempt.")]
    trouble: Annotated[Trouble | None, Field(description="Why the last attempt failed.")]


class DeliveriesDocument(_Document):
    """The newest deliveries of a webhook, newest first."""

    deliveries: list[DeliveryDocument]


class FinalPieceDocument(_Document):
    """A piece of evidence whose anchor is final."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    index: int


class FinalEvidenceDocument(_Document):
    """Final evidence in the order of the log; ``next`` is ``after`` of the next page.

    ``is_last`` says that there is no more yet; ``next`` is then where more will be.
    """

    evidence: list[FinalPieceDocument]
    next: int
    is_last: bool
    final_after_blocks: FinalAfterBlocks = None
