"""What an operator changes: each change is written to the audit trail before it is made."""

from __future__ import annotations

import asyncio
from functools import partial

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.operate.key_audit_trail import record_key_event
from anchor.people.actors import Actor
from anchor.people.lifetimes import later
from anchor.service.block_list import read_network
from anchor.service.problems import Problem
from anchor.service.worker import Service
from anchor.store.api_keys import Quota
from anchor.store.blocked_networks import (
    MOST_BLOCKED,
    BlockedNetwork,
    TooManyBlocked,
    block_network,
    load_blocked,
    unblock_network,
)
from anchor.store.operator_queues import give_up, hasten_job, redeliver
from anchor.store.tenant_accounts import change_limits, resume_tenant, suspend_tenant

MAX_REASON = 1_000
"""The most characters of a reason."""
MAX_BLOCK_DAYS = 366
"""The most days for which an address or network is blocked."""

_DAY = 86_400


class OperatorActions:
    """The changes by one operator's credential."""

    def __init__(self, service: Service, actor: Actor) -> None:
        self._service = service
        self._actor = actor

    async def suspend(self, tenant: str, reason: str) -> None:
        """Refuse a tenant's keys and people."""
        at = utc_now()
        await self._note("tenant-suspended", at, tenant=tenant, reason=reason)
        done = await self._service.change(suspend_tenant, tenant, reason, self._actor, at)
        _check(done, Message("operator-tenant-unknown"))

    async def resume(self, tenant: str) -> None:
        """End a tenant's suspension."""
        at = utc_now()
        await self._note("tenant-resumed", at, tenant=tenant)
        done = await self._service.change(resume_tenant, tenant, self._actor, at)
        _check(done, Message("operator-tenant-unknown"))

    async def change_limits(self, tenant: str, limits: Quota) -> None:
        """Give a tenant other quotas."""
        at, values = utc_now(), {"per_day": limits.per_day, "per_minute": limits.per_minute}
        await self._note("quota-changed", at, tenant=tenant, **values)
        done = await self._service.change(change_limits, tenant, limits, self._actor, at)
        _check(done, Message("operator-tenant-unknown"))

    async def hasten(self, job: int) -> None:
        """Try a failing job now."""
        at = utc_now()
        await self._note("job-hastened", at, job=job)
        _check(await self._service.change(hasten_job, job, at), Message("operator-job-unknown"))
        self._service.jobs.wake()

    async def redeliver(self, message: str) -> None:
        """Send a message that failed now, under the same id."""
        at = utc_now()
        await self._note("message-redelivered", at, message=message)
        done = await self._service.change(redeliver, message, at)
        _check(done, Message("operator-message-unknown"))
        self._service.deliveries.wake()

    async def give_up(self, message: str) -> None:
        """Give a message up that failed and waits for another attempt."""
        at = utc_now()
        await self._note("message-given-up", at, message=message)
        done = await self._service.change(give_up, message)
        _check(done, Message("operator-message-unknown"))

    async def block(self, network: str, reason: str, days: int, own: str) -> BlockedNetwork:
        """Answer nobody from an address or network for so many days.

        ``own`` is the operator's own address.

        Raises:
            Problem: It is no network, or the operator's own (422), or too many are blocked (409).
        """
        at, named = utc_now(), read_network(network, own)
        until = later(at, days * _DAY)
        await self._note("address-blocked", at, network=named, reason=reason, until=until)
        try:
            blocked = await self._service.change(
                block_network, named, reason, self._actor, at=at, until=until
            )
        except TooManyBlocked:
            raise Problem(409, Message("operator-blocked-too-many", limit=MOST_BLOCKED)) from None
        await self._service.read(self._service.address_guard.look)
        return blocked

    async def unblock(self, id: str) -> None:
        """End a block."""
        at = utc_now()
        blocked = await self._service.query(load_blocked, at)
        network = next((each.network for each in blocked if each.id == id), None)
        _check(network is not None, Message("operator-block-unknown"))
        await self._note("address-unblocked", at, network=network)
        await self._service.change(unblock_network, id)
        await self._service.read(self._service.address_guard.look)

    async def _note(self, event: str, at: str, **members: object) -> None:
        """Write a change down; if it then fails, the trail lists more than was done."""
        config, by = self._service.project.config, self._actor.id
        write = partial(record_key_event, config, event, at=at, by=by, **members)
        await asyncio.get_running_loop().run_in_executor(None, write)


def _check(done: bool, unknown: Message) -> None:
    if not done:
        raise Problem(404, unknown)
