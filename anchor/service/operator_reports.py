"""What an operator sees of all tenants, jobs, messages and room."""

from __future__ import annotations

import shutil
from dataclasses import asdict

from anchor.base.messages.catalogue import Language
from anchor.people.lifetimes import later
from anchor.service.operator_schemas import (
    AddressesDocument,
    BlockDocument,
    FailingJobDocument,
    JobCountDocument,
    JobsDocument,
    LimitedAddressDocument,
    OutboxDocument,
    StorageDocument,
    TenantAccountDocument,
    TenantAccountsDocument,
    TroubledDeliveryDocument,
)
from anchor.service.worker import Service
from anchor.store.blocked_networks import load_blocked
from anchor.store.deliveries import count_deliveries
from anchor.store.limited_addresses import load_limited
from anchor.store.operator_queues import (
    MOST_LISTED,
    FailingJob,
    TroubledDelivery,
    count_jobs,
    load_failing_jobs,
    load_troubled,
    measure_tables,
)
from anchor.store.tenant_accounts import TenantAccount, load_accounts

_DAY = 86_400


async def view_tenants(
    service: Service, at: str, *, after: str = "", limit: int | None = None
) -> TenantAccountsDocument:
    """Return up to ``limit`` tenants whose names follow ``after``, with their figures."""
    accounts = await service.query(load_accounts, at[:10], after=after, limit=limit)
    copies = None if service.vault is None else service.vault.config.tenant_bytes
    return TenantAccountsDocument(
        tenants=[_describe_account(each, copies) for each in accounts],
        next=accounts[-1].name if accounts and len(accounts) == limit else None,
    )


async def view_addresses(service: Service, at: str) -> AddressesDocument:
    """Return what is blocked, and who exceeded limits lately."""
    blocked = await service.query(load_blocked, at)
    limited = await service.query(load_limited, MOST_LISTED)
    return AddressesDocument(
        blocked=[BlockDocument(**asdict(each)) for each in blocked],
        limited=[LimitedAddressDocument(**asdict(each)) for each in limited],
    )


async def view_jobs(service: Service, at: str, language: Language = "en") -> JobsDocument:
    """Return the jobs by kind, and those that failed."""
    counts = await service.query(count_jobs, at)
    failing = await service.query(load_failing_jobs)
    return JobsDocument(
        kinds=[JobCountDocument(**asdict(each)) for each in counts],
        failing=[_describe_job(each, language) for each in failing],
    )


async def view_outbox(service: Service, at: str) -> OutboxDocument:
    """Return how many messages wait and failed, and which failed."""
    counts = await service.query(count_deliveries, later(at, -_DAY))
    troubled = await service.query(load_troubled)
    return OutboxDocument(
        waiting=counts.waiting,
        failing=counts.failing,
        given_up=counts.given_up,
        messages=list(map(_describe_message, troubled)),
    )


async def view_storage(service: Service) -> StorageDocument:
    """Return the room that the store takes, and that is left."""
    tables = await service.query(measure_tables)
    disk = await service.read(lambda: shutil.disk_usage(service.project.config.folder))
    return StorageDocument(tables=tables, disk_free=disk.free, disk_total=disk.total)


def _describe_job(job: FailingJob, language: Language) -> FailingJobDocument:
    trouble = None if job.trouble is None else job.trouble[language]
    return FailingJobDocument(**asdict(job) | {"trouble": trouble})


def _describe_account(account: TenantAccount, copy_limit: int | None) -> TenantAccountDocument:
    return TenantAccountDocument(
        tenant=account.name,
        created_at=account.created_at,
        suspended_at=account.suspended_at,
        members=account.members,
        keys=account.keys,
        accepted=account.accepted,
        today=account.today,
        last_day=account.last_day,
        per_day=account.limits.per_day,
        per_minute=account.limits.per_minute,
        copy_bytes=account.copy_bytes,
        copy_limit=copy_limit,
    )


def _describe_message(delivery: TroubledDelivery) -> TroubledDeliveryDocument:
    members = asdict(delivery)
    is_mail = members.pop("is_mail")
    return TroubledDeliveryDocument(receiver="mail" if is_mail else "webhook", **members)
