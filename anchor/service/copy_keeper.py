"""The job about a copy: does what its state asks for, and can be done any number of times.

A copy that has arrived is read back, compared with its evidence and scanned; of one that was
refused or deleted the objects are removed; an upload that nobody continued is deleted.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from anchor.base.digests import Digests
from anchor.base.errors import MismatchError
from anchor.base.messages.message import Message
from anchor.base.system.clock import parse_time, utc_now
from anchor.evidence.record import parse_record
from anchor.keeping.upload_rules import RefusalReason
from anchor.operate.copy_vault import CopyVault
from anchor.service.copy_check import ScannerUndecided, check_copy
from anchor.service.job_runner import NotYet
from anchor.service.worker import Service
from anchor.store.captures import find_bag_digest
from anchor.store.evidence import find_by_identity
from anchor.store.jobs import Record, TakenJob, record_nothing
from anchor.store.kept_copies import (
    KeptCopy,
    end_expired_upload,
    find_copy,
    forget_objects,
    load_parts,
    save_copy_refusal,
    save_copy_waiting,
    save_kept,
)

_LOG = logging.getLogger("anchor.service")

# Seconds until a scanner that cannot tell is asked again, and the most between two attempts.
_FIRST_PAUSE = 10
_LONGEST_PAUSE = 3_600


class CopyKeeper:
    """Does the jobs about copies of one worker."""

    def __init__(self, service: Service, vault: CopyVault) -> None:
        self._service = service
        self._vault = vault

    async def work(self, job: TakenJob) -> Record:
        """Do what the copy's state asks for; return how to record it."""
        copy = await self._service.query(find_copy, job.about)
        if copy is None or copy.state == "kept":
            return record_nothing
        if copy.state in ("refused", "deleted"):
            # A crash here: the folder is removed again.
            await asyncio.to_thread(self._vault.remove, copy)
            return partial(forget_objects, id=copy.id)
        if copy.state == "receiving":
            return self._end_idle(copy)
        return await self._check(copy, job)

    def _end_idle(self, copy: KeptCopy) -> Record:
        at = utc_now()
        left = parse_time(copy.expires_at) - parse_time(at)
        if left > 0:
            raise NotYet(int(left) + 1)
        return partial(end_expired_upload, id=copy.id, at=at)

    async def _check(self, copy: KeptCopy, job: TakenJob) -> Record:
        assert copy.identity is not None, "a copy with a key has it"
        stored = await self._service.query(find_by_identity, copy.identity)
        if stored is None or stored.record is None:  # its erasure deletes the copy as well
            return record_nothing
        parts = await self._service.query(load_parts, copy.id)
        reason: RefusalReason | None
        try:
            expected = parse_record(stored.record).digests
            bag = await self._service.query(find_bag_digest, copy.id)
            if bag is not None:  # of a capture: the bag, of which the evidence is the manifest
                expected = Digests(sha256=bag, sm3=None, size=copy.length)
            reason = await check_copy(self._vault, copy, parts, expected)
        except MismatchError as error:
            _LOG.error("%s", error.message)
            reason = "damaged"
        except ScannerUndecided as error:
            trouble = Message("copies-scanner-undecided", code=error.code)
            _LOG.warning(trouble)
            pause = min(_FIRST_PAUSE * 2 ** min(job.failures, 12), _LONGEST_PAUSE)
            record = partial(save_copy_waiting, id=copy.id)
            raise NotYet(pause, has_failed=True, trouble=trouble, record=record) from None
        at = utc_now()
        if reason is not None:
            return partial(save_copy_refusal, id=copy.id, reason=reason, at=at)
        # A crash here: all is read again, and comes out the same.
        await asyncio.to_thread(self._vault.sweep, copy, parts)
        return partial(save_kept, id=copy.id, at=at)
