"""What a captured page's evidence shows: its picture, read from the kept bag, and its facts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi.responses import Response

from anchor.bag.bag_format import PAYLOAD
from anchor.bag.bag_zip import open_entry
from anchor.bag.zip_directory import read_directory
from anchor.base.errors import MalformedError, MismatchError
from anchor.base.messages.message import Message
from anchor.evidence.group_reading import read_groups
from anchor.evidence.observed_groups import CleanlinessCheck, WebCapture
from anchor.keeping.master_keyset import CopyKey
from anchor.operate.copy_vault import CopyVault
from anchor.service.caller import Caller
from anchor.service.copy_download import find_kept_copy, need_vault
from anchor.service.problems import Problem
from anchor.service.worker import Service
from anchor.store.captures import OrderedCapture, find_capture_of
from anchor.store.evidence import StoredEvidence
from anchor.store.kept_copies import CopyPart, KeptCopy, load_parts

# Pages of pictures in a worker at the same time, of one tenant.
_MOST_PICTURES = 2
# Far more than the tallest picture of a page has.
_MAX_PICTURE = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFacts:
    """The account of a captured page; ``failed`` are the checks that did not pass."""

    ordered: OrderedCapture
    page: WebCapture
    failed: Sequence[CleanlinessCheck]


async def find_facts(service: Service, stored: StoredEvidence) -> CaptureFacts | None:
    """Return the account of a piece that a tenant's capture made; None for any other piece."""
    ordered = await service.query(find_capture_of, stored.identity)
    if ordered is None or ordered.state != "recorded" or stored.record is None:
        return None
    groups = read_groups(stored.record).groups
    if groups.capture is None:
        return None
    checks = [] if groups.cleanliness is None else groups.cleanliness.checks
    failed = [check for check in checks if check.result == "fail"]
    return CaptureFacts(ordered=ordered, page=groups.capture, failed=failed)


async def answer_picture(service: Service, caller: Caller, id: str) -> Response:
    """Return the first picture of a captured page.

    Raises:
        Problem: There is no such evidence, or no picture of it (404); it was erased (410); the bag
            is not kept (409); or it is damaged (503).
    """
    vault = need_vault(service)
    stored, copy = await find_kept_copy(service, caller, id)
    facts = await find_facts(service, stored)
    if facts is None or facts.page.screenshot_sha256 is None:
        raise Problem(404, Message("capture-picture-missing"))
    if copy.state != "kept":
        raise Problem(409, Message("copy-not-kept"))
    parts = await service.query(load_parts, copy.id)
    viewport = (facts.ordered.options or {})["viewports"][0]
    name = f"{PAYLOAD}screenshot-{viewport}.png"
    with service.take_slot(Message("service-downloads"), caller.tenant, _MOST_PICTURES):
        try:
            data = await asyncio.to_thread(_read_file, vault, copy, parts, name)
        except (MalformedError, MismatchError) as error:
            raise Problem(503, error.message) from error
    if hashlib.sha256(data).hexdigest() != facts.page.screenshot_sha256:
        raise Problem(503, Message("capture-picture-missing"))
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "default-src 'none'",
    }
    return Response(data, media_type="image/png", headers=headers)


def _read_file(vault: CopyVault, copy: KeptCopy, parts: Sequence[CopyPart], name: str) -> bytes:
    """Return a file of a kept bag, of which one part at a time is in memory."""
    read = _PartReader(vault, copy, parts).read_at
    files, _ = read_directory(read, copy.length)
    for entry in files:
        if entry.name.partition("/")[2] == name and entry.size <= _MAX_PICTURE:
            with open_entry(read, entry, name) as file:
                return file.read()
    raise MismatchError(Message("capture-picture-missing"))


class _PartReader:
    """Reads a copy at any place; the part that was read last is kept."""

    def __init__(self, vault: CopyVault, copy: KeptCopy, parts: Sequence[CopyPart]) -> None:
        self._vault = vault
        self._copy = copy
        self._parts = parts
        self._key: CopyKey = vault.open_key(copy)
        self._last: tuple[int, bytes] = (-1, b"")

    def read_at(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes from ``offset``, fewer at the end."""
        read = bytearray()
        start = 0
        for part in self._parts:
            end = start + part.size
            if offset < end and start < offset + count:
                data = self._load(part)
                read += data[max(0, offset - start) : offset + count - start]
            start = end
        return bytes(read)

    def _load(self, part: CopyPart) -> bytes:
        if self._last[0] != part.number:
            self._last = (part.number, self._vault.read_part(self._key, self._copy, part))
        return self._last[1]
