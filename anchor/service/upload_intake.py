"""The bytes of an upload: cut into parts, encrypted and stored while they arrive."""

from __future__ import annotations

import asyncio

from fastapi import Request

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.keeping.master_keyset import CopyKey
from anchor.keeping.upload_rules import PART_BYTES, UPLOAD_SECONDS, most_parts
from anchor.people.lifetimes import later
from anchor.service.body_stream import BodyStream, ClientGone
from anchor.service.caller import Caller
from anchor.service.problems import CLOSE, Problem
from anchor.service.request_body import too_slow
from anchor.service.worker import Service
from anchor.store.kept_copies import KeptCopy, add_part


class UploadIntake:
    """Takes the body of one request; what has arrived when it ends early is stored all the same."""

    def __init__(self, service: Service, copy: KeptCopy) -> None:
        assert service.vault is not None, "copies are configured"
        self._service = service
        self._vault = service.vault
        self.copy = copy
        """The copy, as the last part that was stored has moved it on."""

    async def receive(self, request: Request, caller: Caller) -> None:
        """Store the body.

        Raises:
            Problem: The body is too long (413) or slow (408), another request has moved the upload
                on (409), the service stops (503), or the caller may no longer upload (401).
        """
        key = await asyncio.to_thread(self._vault.open_key, self.copy)
        pending = bytearray()
        with self._service.recheck.hold(caller) as lease:
            stopped = Message("upload-service-stopping")
            body = BodyStream(request.receive, self._service.stopping, lease, stopped)
            try:
                while not body.is_complete:
                    piece = await body.next(self._service.settings.body_seconds)
                    if piece is None:
                        raise too_slow()
                    if self.copy.received + len(pending) + len(piece) > self.copy.length:
                        raise Problem(413, Message("upload-too-long"), headers=CLOSE)
                    pending += piece
                    while len(pending) >= PART_BYTES:
                        await self._store(key, bytes(memoryview(pending)[:PART_BYTES]))
                        del pending[:PART_BYTES]
            except (Problem, ClientGone) as error:
                if not isinstance(error, Problem) or error.status in (408, 413, 503):
                    await self._store_rest(key, pending)
                raise
            finally:
                body.close()
        if pending:
            await self._store(key, bytes(pending))

    async def _store_rest(self, key: CopyKey, pending: bytearray) -> None:
        """Store what has arrived of a request that ends with another error, if that can be."""
        try:
            if pending:
                await self._store(key, bytes(pending))
        except (Problem, AnchorError, OSError):
            pass  # the client sends it again

    async def _store(self, key: CopyKey, data: bytes) -> None:
        """Store a part, then say in the store that it is there.

        A crash in between leaves an object that no row names, and bytes that are sent again.
        """
        if self.copy.parts >= most_parts(self.copy.length):
            raise Problem(409, Message("upload-too-many-parts"), headers=CLOSE)
        part = await asyncio.to_thread(self._vault.write_part, key, self.copy, data)
        at = utc_now()
        moved = await self._service.change(
            add_part, self.copy, part, at=at, expires_at=later(at, UPLOAD_SECONDS)
        )
        if moved is None:
            await asyncio.to_thread(self._vault.remove_part, self.copy, part)
            raise Problem(409, Message("upload-offset-moved"), headers=CLOSE)
        self.copy = moved
        if moved.state == "checking":
            self._service.copy_jobs.wake()
