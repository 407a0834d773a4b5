"""Orders of certificates, by the API and the pages."""

from __future__ import annotations

from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.service.caller import Caller
from anchor.service.evidence_status import find_evidence
from anchor.service.problems import RETRY_LATER, Problem
from anchor.service.worker import Service
from anchor.store.certificates import IssuedCertificate, count_waiting, request_certificate

# What one tenant may have waiting; each takes some seconds of a worker's time.
_MOST_WAITING = 100


async def order_certificate(service: Service, caller: Caller, id: str) -> IssuedCertificate:
    """Order a certificate of a tenant's evidence; an order that waits already is returned again.

    Raises:
        Problem: The tenant has no such evidence (404), it was erased (410), or too many of the
            tenant's orders wait (429).
    """
    stored = await service.read(lambda: find_evidence(service, caller, id))
    at = utc_now()

    def write() -> IssuedCertificate:
        with service.project.database.read() as connection:
            waiting = count_waiting(connection, caller.tenant)
        if waiting >= _MOST_WAITING:
            text = Message("certificates-too-many-waiting", limit=_MOST_WAITING)
            raise Problem(429, text, headers=RETRY_LATER)
        return service.project.database.write_with_retry(
            lambda connection: request_certificate(
                connection,
                caller.tenant,
                stored.identity,
                requested_by=caller.actor.encode(),
                at=at,
                actor=caller.actor,
            )
        )

    certificate = await service.read(write)
    service.jobs.wake()
    return certificate
