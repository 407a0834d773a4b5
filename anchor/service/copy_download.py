"""A kept copy as a download: decrypted part by part while it is sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack

from fastapi.responses import Response, StreamingResponse

from anchor.base.errors import MismatchError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.keeping.upload_rules import find_range
from anchor.operate.copy_vault import CopyVault
from anchor.service.caller import Caller
from anchor.service.evidence_status import find_evidence
from anchor.service.file_names import name_recorded_file
from anchor.service.problems import CLOSE, Problem
from anchor.service.worker import Service
from anchor.store.copy_events import note_copy_read
from anchor.store.evidence import StoredEvidence
from anchor.store.kept_copies import CopyPart, KeptCopy, find_copy_of, load_parts

_LOG = logging.getLogger("anchor.service")

# Downloads of one tenant in a worker at the same time; each takes some 30 MiB of memory.
_MOST_DOWNLOADS = 8


def need_vault(service: Service) -> CopyVault:
    """Return the vault of copies."""
    if service.vault is None:
        raise Problem(404, Message("copies-not-configured"), headers=CLOSE)
    return service.vault


async def find_kept_copy(
    service: Service, caller: Caller, id: str
) -> tuple[StoredEvidence, KeptCopy]:
    """Return a piece of the tenant's evidence, with its copy, which was not deleted.

    Raises:
        Problem: The tenant has no such evidence, or it has no copy (404); or it was erased (410).
    """
    need_vault(service)
    stored = await service.read(lambda: find_evidence(service, caller, id))
    copy = await service.query(find_copy_of, stored.identity)
    if copy is None:
        raise Problem(404, Message("copy-missing"))
    return stored, copy


async def answer_copy(service: Service, caller: Caller, id: str, wanted: str | None) -> Response:
    """Return a kept copy, or the range of it that ``wanted`` names, as a file to be saved.

    Raises:
        Problem: There is no copy (404), it is not kept (409), the evidence was erased (410), it
            ends before that range (416), or its first part is damaged (503).
    """
    vault = need_vault(service)
    stored, copy = await find_kept_copy(service, caller, id)
    if copy.state != "kept":
        raise Problem(409, Message("copy-not-kept"))
    parts = await service.query(load_parts, copy.id)
    part_of_it = find_range(wanted, copy.length)
    first, end = part_of_it or (0, copy.length)
    if part_of_it is not None and first >= end:
        headers = {"Content-Range": f"bytes */{copy.length}"}
        raise Problem(416, Message("copy-range-beyond"), headers=headers)
    slot = service.take_slot(Message("service-downloads"), caller.tenant, _MOST_DOWNLOADS)
    try:
        sending = _send(vault, copy, parts, first, end, slot)
        # Before the answer begins: a damaged part is then told in words.
        head = await anext(sending, b"")
        if first == 0:
            await service.change(note_copy_read, copy, caller.actor, at=utc_now())
    except MismatchError as error:
        slot.close()
        _LOG.error("%s", error.message)
        raise Problem(503, error.message) from error
    except BaseException:
        slot.close()
        raise
    headers = {
        "Content-Length": str(end - first),
        **_name_file(stored),
        "Accept-Ranges": "bytes",
    }
    if part_of_it is not None:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{copy.length}"
    return StreamingResponse(
        _join(head, sending),
        status_code=200 if part_of_it is None else 206,
        media_type="application/octet-stream",
        headers=headers,
    )


async def _send(
    vault: CopyVault,
    copy: KeptCopy,
    parts: Sequence[CopyPart],
    first: int,
    end: int,
    slot: ExitStack,
) -> AsyncIterator[bytes]:
    """Yield the bytes from ``first`` to ``end``; an error in the middle breaks the connection."""
    with slot:
        key = await asyncio.to_thread(vault.open_key, copy)
        start = 0
        for part in parts:
            if start < end and start + part.size > first:
                data = await asyncio.to_thread(vault.read_part, key, copy, part)
                yield data[max(0, first - start) : end - start]
            start += part.size


async def _join(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for data in rest:
        yield data


def _name_file(stored: StoredEvidence) -> dict[str, str]:
    return name_recorded_file(stored.record, f"{stored.identity.hex()[:16]}.bin")
