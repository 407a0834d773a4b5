"""Retention dates of a tenant's evidence, by the API and the pages."""

from __future__ import annotations

from anchor.base.errors import MalformedError, UsageError
from anchor.base.messages.message import Message
from anchor.monitor.tenant_listing import parse_bound
from anchor.operate.retention_setting import set_retention
from anchor.service.caller import Caller
from anchor.service.evidence_status import find_evidence
from anchor.service.problems import FieldError, Problem
from anchor.service.worker import Service


async def change_retention(service: Service, caller: Caller, id: str, until: str | None) -> None:
    """Set the date of a piece of the caller's tenant, or remove the one that was set.

    Raises:
        Problem: The tenant has no such evidence (404), it was erased (410), or the date is
            malformed or earlier than the record's (422).
    """
    stored = await service.read(lambda: find_evidence(service, caller, id))

    def work() -> None:
        try:
            moment = None if until is None else parse_bound(until)
        except MalformedError as error:
            raise _refuse(error.message) from error
        try:
            set_retention(service.project, caller.tenant, stored.identity, moment, caller.actor)
        except UsageError as error:
            if error.message.id == "evidence-unknown-to-tenant":  # erased since it was looked up
                raise Problem(410, Message("evidence-erased-leaf-kept")) from error
            raise _refuse(error.message) from error

    await service.read(work)


def _refuse(message: Message) -> Problem:
    return Problem(422, message, errors=[FieldError("until", message)])
