"""The documents of an operator's view of all tenants, jobs and messages."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from anchor.base.canonical import MAX_INTEGER
from anchor.notifications.event_types import NotificationType
from anchor.service.block_list import MAX_NETWORK
from anchor.service.operator_actions import MAX_BLOCK_DAYS, MAX_REASON
from anchor.service.schemas import Document, NextPage
from anchor.store.deliveries import DeliveryState, Trouble

Limit = Annotated[int | None, Field(ge=0, le=MAX_INTEGER, description="Null for no limit.")]
TenantInPath = Annotated[str, Path(max_length=64, description="The tenant's name.")]
JobInPath = Annotated[int, Path(ge=1, le=MAX_INTEGER, description="As the list names it.")]
BlockInPath = Annotated[str, Path(max_length=64, description="The id of a block.")]
MessageInPath = Annotated[str, Path(max_length=64, description="The id of a message.")]


class TenantAccountDocument(Document):
    """A tenant: ``accepted`` is all evidence ever taken from it, ``keys`` are those not revoked."""

    tenant: str
    created_at: str
    suspended_at: str | None
    members: Annotated[int, Field(ge=0)]
    keys: Annotated[int, Field(ge=0)]
    accepted: Annotated[int, Field(ge=0)]
    today: Annotated[int, Field(ge=0)]
    last_day: Annotated[str | None, Field(description="On which evidence was taken from it.")]
    per_day: int | None
    per_minute: int | None
    copy_bytes: Annotated[int, Field(ge=0, description="Of its copies, with those under way.")]
    copy_limit: Annotated[int | None, Field(description="Null where no copies are kept.")]


class TenantAccountsDocument(Document):
    """A page of the tenants, by name."""

    tenants: list[TenantAccountDocument]
    next: NextPage


class QuotaRequest(Document):
    """The new evidence that a tenant may submit per day and per minute (UTC)."""

    per_day: Limit
    per_minute: Limit


class SuspensionRequest(Document):
    """Why a tenant is suspended; its owners read it in their audit trail."""

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class JobCountDocument(Document):
    """The jobs of a kind; ``due_at`` is the oldest one's time."""

    kind: str
    waiting: Annotated[int, Field(ge=0)]
    due: Annotated[int, Field(ge=0)]
    failing: Annotated[int, Field(ge=0)]
    due_at: str


class FailingJobDocument(Document):
    """A job that failed, and when it is tried again."""

    id: int
    kind: str
    about: str
    failures: int
    due_at: str
    trouble: Annotated[str | None, Field(description="Why it failed last, in English.")]


class JobsDocument(Document):
    """Jobs by kind, and the newest hundred that failed, except those of messages."""

    kinds: list[JobCountDocument]
    failing: list[FailingJobDocument]


class TroubledDeliveryDocument(Document):
    """A message that failed: without its text and its receiver's address."""

    message: str
    tenant: str
    receiver: Literal["webhook", "mail"]
    event: NotificationType
    made_at: str
    state: DeliveryState
    attempts: int
    tried_at: str | None
    due_at: str | None
    status: int | None
    trouble: Trouble | None


class OutboxDocument(Document):
    """How many messages wait, failed, and were given up in a day; the newest that failed."""

    waiting: Annotated[int, Field(ge=0)]
    failing: Annotated[int, Field(ge=0)]
    given_up: Annotated[int, Field(ge=0)]
    messages: list[TroubledDeliveryDocument]


class BlockRequest(Document):
    """An address or network (CIDR) from which nobody is answered for so many days, and why."""

    network: Annotated[str, Field(min_length=1, max_length=MAX_NETWORK)]
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]
    days: Annotated[int, Field(ge=1, le=MAX_BLOCK_DAYS)]


class BlockDocument(Document):
    """A blocked network; ``made_by`` is the key or person that blocked it."""

    id: str
    network: str
    reason: str
    made_by: str
    made_at: str
    until: str


class LimitedAddressDocument(Document):
    """An address, or the /64 network of an IPv6 address, that exceeded limits of requests."""

    address: str
    refusals: Annotated[int, Field(ge=1)]
    first_at: str
    last_at: str


class AddressesDocument(Document):
    """What is blocked, and the hundred addresses that were limited last, within a week."""

    blocked: list[BlockDocument]
    limited: list[LimitedAddressDocument]


class StorageDocument(Document):
    """Bytes by table with its indexes (PostgreSQL) or of the database (SQLite), and of the disk."""

    tables: dict[str, int]
    disk_free: Annotated[int, Field(ge=0, description="Where the project's folder is.")]
    disk_total: Annotated[int, Field(ge=0)]
