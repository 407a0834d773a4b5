"""Erasure of a tenant's evidence, by the API and the pages."""

from __future__ import annotations

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.operate.tenant_erasing import erase_own
from anchor.service.caller import Caller
from anchor.service.evidence_status import find_evidence
from anchor.service.problems import Problem
from anchor.service.worker import Service

_GONE = "evidence-selection-empty"
_HELD = "erasure-refused-by-hold"
_REFUSALS = ("erasure-of-shared-record", "erasure-of-audit-trail", "erasure-of-exhibit")


async def erase_evidence(
    service: Service, caller: Caller, id: str, *, basis: str, reason: str
) -> str:
    """Erase a piece of the caller's tenant; return its leaf in hex.

    Raises:
        Problem: The tenant has no such evidence (404), it was erased (410), it must not be erased
            (409), or basis or reason is malformed (422).
    """
    stored = await service.read(lambda: find_evidence(service, caller, id))

    def work() -> None:
        try:
            erase_own(
                service.project,
                caller.tenant,
                stored.identity,
                basis=basis,
                reason=reason,
                actor=caller.actor,
            )
        except UsageError as error:
            if error.message.id == _GONE:  # erased since it was looked up
                raise Problem(410, Message("evidence-erased-leaf-kept")) from error
            if error.message.id == _HELD:  # whose hold it is, and why, is the operator's
                raise Problem(409, Message("erasure-held")) from error
            status = 409 if error.message.id in _REFUSALS else 422
            raise Problem(status, error.message) from error

    await service.read(work)
    return stored.leaf.hex()
