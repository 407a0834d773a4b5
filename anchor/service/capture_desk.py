"""The job about a capture: hands its order to the worker, and records what comes back, once.

Every step can be done again.  The evidence has the capture as its idempotency key, so that one
capture has one record at most; the files in the spool folder are removed by a job that the
settling transaction orders.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from functools import partial
from io import BufferedRandom
from typing import Any

from anchor.bag.bag_validation import validate_bag
from anchor.bag.bag_zip import BagZip
from anchor.base.errors import (
    MalformedError,
    MismatchError,
    StorageError,
    UnknownVersionError,
    UsageError,
)
from anchor.base.messages.message import Message
from anchor.base.system.clock import parse_time, utc_now
from anchor.capture.capture_result import CaptureResult, check_result, parse_result
from anchor.capture.capture_spool import CaptureOrder, CaptureSpool, spell_texts
from anchor.ethereum.keccak import format_address
from anchor.evidence.group_members import build_group
from anchor.evidence.not_before import NotBefore
from anchor.evidence.record import SALT_BYTES
from anchor.evidence.record_groups import PlatformUse, RecordGroups, Source
from anchor.keeping.upload_rules import PART_BYTES, UPLOAD_SECONDS
from anchor.operate.acceptance import EvidenceInput, prepare_evidence
from anchor.operate.copy_vault import CopyVault
from anchor.people.actors import Actor
from anchor.people.lifetimes import later
from anchor.service.job_runner import NotYet
from anchor.service.problems import Problem
from anchor.service.settings import CaptureSettings
from anchor.service.submission import Origin
from anchor.service.worker import Service
from anchor.service.write_queue import Job
from anchor.store.api_keys import Quota
from anchor.store.captures import (
    OrderedCapture,
    begin_capture,
    find_capture,
    list_settled,
    save_bag,
    save_capture_refusal,
    save_recorded,
)
from anchor.store.columns import NewEvidence
from anchor.store.jobs import Record, TakenJob, record_nothing
from anchor.store.kept_copies import (
    KeptCopy,
    OverCopyQuota,
    add_part,
    begin_copy,
    drop_copy,
    new_copy_id,
)
from anchor.store.new_pieces import Admitted

# Seconds until the next look at what the worker has taken, and while nothing can be accepted.
_POLL = 2
_INTAKE_POLL = 60
# The same for an order that is not its tenant's turn: the end of the one before makes it due.
_QUEUE_POLL = 600
# Seconds after which an order that no worker took, or finished, is given up.
_LONGEST = 24 * 3_600
# How often an order is handed over that vanished from the folder.
_MOST_HANDED = 3
_BAD = (MalformedError, MismatchError, UnknownVersionError, UsageError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CheckedBag:
    file: BufferedRandom
    length: int
    sha256: bytes
    evidence: NewEvidence
    account: dict[str, Any]


class CaptureDesk:
    """Does the jobs about captures of one worker process of the service."""

    def __init__(self, service: Service, vault: CopyVault, settings: CaptureSettings) -> None:
        self._service = service
        self._vault = vault
        self._settings = settings
        self._spool = CaptureSpool(settings.folder)

    def prepare(self) -> None:
        """Make the spool folder's parts, and remove what settled captures left in it."""
        self._spool.prepare()
        left = self._spool.list_results()
        with self._service.project.database.read() as connection:
            settled = list_settled(connection, left)
        for id in settled:
            self._spool.remove(id)

    async def work(self, job: TakenJob) -> Record:
        """Do what the capture's state asks for; return how to record it."""
        capture = await self._service.query(find_capture, job.about)
        if capture is None or capture.settled_at is not None:
            await asyncio.to_thread(self._spool.remove, job.about)
            return record_nothing
        try:
            members = await asyncio.to_thread(self._spool.read_result, capture.id)
            if members is not None:
                return await self._take_in(capture, parse_result(members, capture.id))
        except _BAD as error:
            return _refuse(capture, error.message)
        if parse_time(utc_now()) - parse_time(capture.ordered_at) > _LONGEST:
            return _refuse(capture, Message("capture-not-taken", hours=_LONGEST // 3_600))
        if capture.state == "running" and await asyncio.to_thread(self._spool.holds, capture.id):
            raise NotYet(_POLL)
        if capture.handed >= _MOST_HANDED:
            return _refuse(capture, Message("capture-order-vanished", count=capture.handed))
        await self._hand_over(capture)
        raise NotYet(_POLL)

    async def _hand_over(self, capture: OrderedCapture) -> None:
        """Name the block that the record will name, then give the order to the worker.

        A crash in between: the order is not in the folder, and is given again.
        """
        assert capture.url is not None and capture.options is not None, "it is not erased"
        block = await self._service.name_block()
        may_begin = await self._service.change(
            begin_capture,
            capture,
            at=utc_now(),
            not_before=None if block is None else block.encode(),
            most=self._settings.at_once,
        )
        if not may_begin:
            raise NotYet(_QUEUE_POLL)
        order = CaptureOrder(
            id=capture.id,
            url=capture.url,
            viewports=tuple(capture.options["viewports"]),
            depth=capture.options["depth"],
            max_bytes=self._settings.max_bytes,
        )
        await asyncio.to_thread(self._spool.put_order, order)

    async def _take_in(self, capture: OrderedCapture, result: CaptureResult) -> Record:
        """Record the evidence and keep its bag; return how to settle the capture."""
        if result.refusal is not None:
            return partial(
                save_capture_refusal, id=capture.id, refusal=result.refusal, at=utc_now()
            )
        try:
            self._service.check_intake()
        except Problem:
            raise NotYet(_INTAKE_POLL) from None
        limit = self._settings.bag_bytes
        with await asyncio.to_thread(self._spool.take_bag, capture.id, limit) as bag:
            checked = await asyncio.to_thread(self._check, capture, result, bag)
            return await self._record(capture, checked)

    async def _record(self, capture: OrderedCapture, checked: _CheckedBag) -> Record:
        identity = checked.evidence.identity
        try:
            copy = await self._begin_copy(capture, checked)
        except OverCopyQuota as error:
            text = Message("capture-no-room", size=checked.length, limit=error.limit)
            return _refuse(capture, text)
        key_hash = _origin(self._service, capture).key_hash
        job = Job(capture.tenant, Quota(), [checked.evidence], key_hash)
        outcome = (await self._service.write_queue.write(job))[0]
        if not isinstance(outcome, Admitted):  # an earlier result was recorded, and was lost since
            at = utc_now()
            await self._service.change(drop_copy, copy.id, at=at)
            return _refuse(capture, Message("capture-recorded-otherwise"))
        if not await self._service.change(save_bag, capture.id, identity, copy.id, checked.sha256):
            return record_nothing
        await self._fill(copy, checked)
        return partial(save_recorded, id=capture.id, account=checked.account, at=utc_now())

    def _check(
        self, capture: OrderedCapture, result: CaptureResult, file: BufferedRandom
    ) -> _CheckedBag:
        with BagZip(file) as source:
            bag = validate_bag(source)
            assert capture.url is not None, "it is not erased"
            check_result(result, bag, capture.url)
            manifest = bag.manifest
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").digest()
        origin = _origin(self._service, capture)
        submission = EvidenceInput(
            source=origin.source(result.name),
            name=result.name,
            digests=manifest,
            groups=self._add_own(capture, result.groups),
        )
        evidence = prepare_evidence(
            submission,
            origin.unique,
            origin.random_bytes(SALT_BYTES),
            origin.recorded_at,
            origin.log,
            origin.not_before,
        )
        return _CheckedBag(
            file=file,
            length=file.tell(),
            sha256=sha256,
            evidence=evidence,
            account=dict(result.account) | {"name": result.name},
        )

    def _add_own(self, capture: OrderedCapture, groups: RecordGroups) -> RecordGroups:
        """Return the groups with what the service knows: the user's note, chain and registry."""
        config = self._service.project.config
        note = (capture.options or {}).get("note")
        observed = {} if groups.platform is None else groups.platform.model_dump()
        platform = observed | {
            "chain": f"eip155:{config.chain_id}",
            "registry": format_address(config.registry),
            "code_hash": f"0x{config.code_hash.hex()}",
        }
        added: dict[str, Any] = {"platform": build_group(PlatformUse, platform)}
        if note:
            added["source"] = build_group(Source, {"origin": note})
        return groups.model_copy(update=added)

    async def _begin_copy(self, capture: OrderedCapture, checked: _CheckedBag) -> KeptCopy:
        """Return the copy of the bag, which was begun now or before."""
        at = utc_now()
        id = new_copy_id()
        wrapped = await asyncio.to_thread(self._vault.make_key, capture.tenant, id)
        return await self._service.change(
            begin_copy,
            id,
            capture.tenant,
            checked.evidence.identity,
            length=checked.length,
            wrapped_key=wrapped,
            actor=Actor.decode(capture.ordered_by),
            at=at,
            expires_at=later(at, UPLOAD_SECONDS),
            limit=self._vault.config.tenant_bytes,
        )

    async def _fill(self, copy: KeptCopy, checked: _CheckedBag) -> None:
        """Store what is missing of a copy; its check follows the last part."""
        if copy.wrapped_key is None:  # refused by the scanner: the evidence stays
            return
        key = await asyncio.to_thread(self._vault.open_key, copy)
        while copy.state == "receiving":
            data = await asyncio.to_thread(_read_at, checked.file, copy.received)
            if not data:  # the copy was begun of a longer bag, before the worker replaced it
                raise MalformedError(Message("capture-recorded-otherwise"))
            part = await asyncio.to_thread(self._vault.write_part, key, copy, data)
            at = utc_now()
            moved = await self._service.change(
                add_part, copy, part, at=at, expires_at=later(at, UPLOAD_SECONDS)
            )
            if moved is None:  # deleted, or erased with its evidence
                await asyncio.to_thread(self._vault.remove_part, copy, part)
                raise StorageError(Message("capture-copy-moved"))
            copy = moved
        self._service.copy_jobs.wake()


def _read_at(file: BufferedRandom, offset: int) -> bytes:
    file.seek(offset)
    return file.read(PART_BYTES)


def _origin(service: Service, capture: OrderedCapture) -> Origin:
    """Return the origin of a capture's evidence; no client can send this idempotency key."""
    block = capture.not_before
    return Origin(
        tenant=capture.tenant,
        key=f"capture {capture.id}",
        recorded_at=utc_now(),
        log=service.project.config.log,
        not_before=None if block is None else NotBefore.decode(block),
    )


def _refuse(capture: OrderedCapture, reason: str) -> Record:
    texts = spell_texts(reason)
    return partial(save_capture_refusal, id=capture.id, refusal=texts, at=utc_now())
