"""The status of a tenant's evidence: looking it up in the store, and waiting for a stage."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.types import Stage
from anchor.evidence.preservation_number import number_record
from anchor.evidence.record_notice import RecordNotice
from anchor.log.merkle import hash_leaf
from anchor.operate.record_notices import find_notice
from anchor.people.erasure_authors import read_author
from anchor.project.config import Config
from anchor.service.caller import Caller
from anchor.service.erasure_schemas import (
    ErasedEventDocument,
    ErasureDocument,
    ErasureStatementDocument,
    PassedRetentionDocument,
)
from anchor.service.problems import Problem
from anchor.service.schemas import (
    EvidenceStatusDocument,
    HeadAnchorDocument,
    RetentionDocument,
    StatusNoticeDocument,
)
from anchor.service.upload_schemas import describe_copy
from anchor.service.worker import Service
from anchor.store.erased_evidence import ErasedEvidence, StoredStatement, load_erased
from anchor.store.evidence import StoredEvidence, find_by_identity
from anchor.store.file_origins import tenant_of
from anchor.store.heads import AnchoredHead, find_covering_anchor
from anchor.store.kept_copies import KeptCopy, find_copy_of
from anchor.store.retentions import Retention, find_retention


def has_reached(status: EvidenceStatusDocument, goal: Stage) -> bool:
    """Return whether evidence has reached a stage, or a later one."""
    return Stage(status.state).rank >= goal.rank


async def wait_for_stage(
    service: Service, caller: Caller, id: str, goal: Stage, seconds: float
) -> EvidenceStatusDocument:
    """Return the status of a tenant's evidence, once it has reached ``goal`` or the time is up.

    Raises:
        Problem: The tenant has no such evidence (404), the evidence was erased (410), the tenant
            has too many requests waiting (429), or the key was revoked or has expired (401).
    """
    status = await load_status(service, caller, id)
    if seconds <= 0 or has_reached(status, goal):
        return status
    loop = asyncio.get_running_loop()
    end = loop.time() + min(seconds, service.settings.max_wait)
    slot = service.take_slot(Message("service-waits"), caller.tenant, service.settings.max_waits)
    with slot, service.recheck.hold(caller) as lease:
        while True:
            changed = service.stage_watch.next_change()
            status = await load_status(service, caller, id)
            rest = end - loop.time()
            if has_reached(status, goal) or rest <= 0 or service.stopping.is_set():
                return status
            await service.wait_for_change(changed, rest, lease)


async def load_status(service: Service, caller: Caller, id: str) -> EvidenceStatusDocument:
    """Return the status of a tenant's evidence.

    Raises:
        Problem: The tenant has no such evidence (404), or it was erased (410).
    """
    (status,) = await load_statuses(service, lambda: [find_evidence(service, caller, id)])
    return status


async def load_statuses(
    service: Service, find: Callable[[], Sequence[StoredEvidence]]
) -> list[EvidenceStatusDocument]:
    """Return the status of each piece of evidence that ``find`` returns."""
    standings = await service.read(lambda: [_load(service, stored) for stored in find()])
    if any(each.anchored is not None and each.anchored.final for each in standings):
        service.check_chain()
    return [_describe_status(service, each) for each in standings]


def _describe_status(service: Service, standing: _Standing) -> EvidenceStatusDocument:
    stored, anchored, notice = standing.stored, standing.anchored, standing.notice
    return EvidenceStatusDocument(
        id=stored.identity.hex(),
        number=None if stored.record is None else number_record(stored.record),
        state=_describe_stage(service, stored, anchored).value,
        leaf=stored.leaf.hex(),
        index=stored.leaf_index,
        anchor=None if anchored is None else describe_anchor(anchored, service.project.config),
        notice=None if notice is None else _describe_notice(notice),
        notice_erased=standing.notice_erased,
        retention=describe_retention(standing.retention),
        kept_copy=describe_copy(standing.copy),
    )


def describe_retention(row: Retention | None) -> RetentionDocument | None:
    """Return a retention date's document."""
    if row is None:
        return None
    return RetentionDocument(until=row.until, source=row.source, beaten_by=row.beaten_by)


def find_evidence(service: Service, caller: Caller, id: str) -> StoredEvidence:
    """Return a tenant's evidence.

    Raises:
        Problem: The tenant has no such evidence (404), or it was erased (410).
    """
    config = service.project.config
    with service.project.database.read() as connection:
        stored = find_by_identity(connection, bytes.fromhex(id))
        if stored is None:
            erased = load_erased(connection, config.chain_id, caller.tenant, bytes.fromhex(id))
            if erased is not None:
                told = describe_erased(erased, caller, config).model_dump(mode="json")
                raise Problem(
                    410, Message("evidence-erased-leaf-kept"), extension={"erasure": told}
                )
    if stored is None or tenant_of(stored.source) != caller.tenant:
        # The same message as for unknown evidence: tenants must not learn what others submitted.
        raise Problem(404, Message("evidence-unknown-to-tenant"))
    return stored


def describe_erased(erased: ErasedEvidence, caller: Caller, config: Config) -> ErasureDocument:
    """Return what a caller is told of evidence of the tenant that was erased."""
    piece, statement, date = erased.piece, erased.statement, erased.retention
    by, actor = (
        (None, None) if statement is None else read_author(statement.content.by, caller.tenant)
    )
    return ErasureDocument(
        erased_at=erased.erasure.erased_at,
        by=by,
        actor=None if actor is None else actor.encode(),
        basis=None if statement is None else statement.content.basis,
        retention=None
        if date is None
        else PassedRetentionDocument(until=date.until, source=date.source),
        statement=None if statement is None else _describe_statement(statement),
        leaf=erased.erasure.leaf.hex(),
        index=None if piece is None or piece.head is None else piece.index,
        accepted_at=None if piece is None else piece.accepted_at,
        anchor=None
        if piece is None or piece.anchored is None
        else describe_anchor(piece.anchored, config),
        events=[
            ErasedEventDocument(at=event.at, actor=event.actor, action=event.action)
            for event in erased.events
        ]
        if "audit" in caller.permissions
        else None,
    )


def _describe_statement(statement: StoredStatement) -> ErasureStatementDocument:
    return ErasureStatementDocument(
        number=number_record(statement.record),
        leaf=hash_leaf(statement.record).hex(),
        index=statement.index,
        sha256=hashlib.sha256(statement.content.encode()).hexdigest(),
    )


def describe_anchor(anchored: AnchoredHead, config: Config) -> HeadAnchorDocument:
    """Return the document of an anchor of a project."""
    return HeadAnchorDocument(
        size=anchored.head.size,
        root=anchored.head.root.hex(),
        final=anchored.final,
        final_after_blocks=config.final_after,
        sequence=anchored.sequence,
        block_number=anchored.block_number,
        timestamp=anchored.timestamp,
    )


@dataclass(frozen=True, slots=True)
class _Standing:
    """Evidence, its anchor, the notice about it, whether that was erased, and its retention."""

    stored: StoredEvidence
    anchored: AnchoredHead | None
    notice: RecordNotice | None
    notice_erased: bool
    retention: Retention | None
    copy: KeptCopy | None


def _load(service: Service, stored: StoredEvidence) -> _Standing:
    chain_id, anchored, pair = service.project.config.chain_id, None, None
    notice_erased = False
    with service.project.database.read() as connection:
        copy = None if service.vault is None else find_copy_of(connection, stored.identity)
        if stored.leaf_index is not None:
            anchored = find_covering_anchor(connection, chain_id, stored.leaf_index)
        if stored.record is not None:
            try:
                pair = find_notice(connection, hashlib.sha256(stored.record).digest())
            except CannotCheckError:
                notice_erased = True
        retention = find_retention(connection, stored.identity)
    notice = None if pair is None else pair[1]
    return _Standing(stored, anchored, notice, notice_erased, retention, copy)


def _describe_notice(notice: RecordNotice) -> StatusNoticeDocument:
    return StatusNoticeDocument(
        kind=notice.kind,
        replacement=None if notice.replacement is None else notice.replacement.hex(),
        reason=notice.reason,
        at=notice.at,
        actor=notice.actor,
    )


def _describe_stage(
    service: Service, stored: StoredEvidence, anchored: AnchoredHead | None
) -> Stage:
    if anchored is not None:
        return Stage.ANCHORED if anchored.final else Stage.INCLUDED
    # The watch may learn of a seal a moment after the store has it.
    stage = service.stage_watch.reach.stage_of(stored.leaf_index)
    if stored.leaf_index is None:
        return Stage.ACCEPTED
    return Stage.SUBMITTED if stage is Stage.SUBMITTED else Stage.SEALED
