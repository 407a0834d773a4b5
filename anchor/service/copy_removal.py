"""Deletion of a kept copy, by the API and the pages."""

from __future__ import annotations

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.service.caller import Caller
from anchor.service.copy_download import need_vault
from anchor.service.evidence_status import find_evidence
from anchor.service.problems import Problem
from anchor.service.worker import Service
from anchor.store.copy_events import delete_tenant_copy


async def remove_copy(service: Service, caller: Caller, id: str) -> None:
    """Delete the copy of a piece of the caller's tenant.

    Raises:
        Problem: The tenant has no such evidence, or it has no copy (404); it was erased (410); or a
            hold or an open case keeps the copy (409).
    """
    need_vault(service)
    stored = await service.read(lambda: find_evidence(service, caller, id))
    try:
        is_gone = await service.change(
            delete_tenant_copy, caller.tenant, stored.identity, caller.actor, at=utc_now()
        )
    except UsageError as error:
        raise Problem(409, error.message) from error
    if not is_gone:
        raise Problem(404, Message("copy-missing"))
    service.copy_jobs.wake()
