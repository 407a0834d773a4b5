"""The answer to a bulk submission, streamed while the submission arrives."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from fastapi.responses import Response
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Send

from anchor.errors import AnchorError
from anchor.messages.message import Message
from anchor.service.bulk_lines import Entry, Line, LineSplitter, read_lines
from anchor.service.key_recheck import KeyLease
from anchor.service.problems import Problem, explain
from anchor.service.request_body import too_long, too_slow
from anchor.service.submission import Origin, over_quota
from anchor.service.worker import Service
from anchor.service.write_queue import Job
from anchor.store.api_keys import ApiKey
from anchor.store.evidence import NewEvidence
from anchor.store.quota import Admitted, Outcome
from anchor.system.clock import utc_now

MEDIA_TYPE = "application/x-ndjson"

# Seconds that lines wait for further lines before they are written.
_LINGER = 0.02
# Lines that are parsed without yielding to the event loop: about a millisecond of work.
_AT_ONCE = 100
# The most bytes of answers that the client has not read yet.
_MOST_UNREAD = 16 << 20


class BulkAnswer(Response):
    """A response that reads lines, has them written, and sends an answer to each.

    The three run concurrently: lines are read while earlier ones are written and the answers to
    still earlier ones are sent.
    """

    media_type = MEDIA_TYPE

    def __init__(self, service: Service, key: ApiKey, origin: Origin, slot: ExitStack) -> None:
        super().__init__(status_code=200)
        del self.headers["content-length"]
        self._service = service
        self._settings = service.settings
        self._lease = KeyLease(key)
        self._slot = slot
        self._origin = origin
        self._splitter = LineSplitter(service.settings.max_line)
        self._entries: deque[Entry] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._outbox = _Outbox(service.settings.answer_seconds)
        self._counts = {"lines": 0, "new": 0, "known": 0, "refused": 0}

    async def __call__(self, _scope: AsgiMessage, receive: Receive, send: Send) -> None:
        """Answer the request; the client may disconnect at any time."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        with self._slot, self._service.key_recheck.hold(self._lease.key) as self._lease:
            await send(start)
            sending = asyncio.create_task(self._outbox.drain(send))
            try:
                await self._work(receive)
                self._outbox.close()
                await sending
            except _Gone:
                # A write in progress completes; its answers are not sent.
                sending.cancel()
            finally:
                left = [sending]
                if self._writing is not None:
                    self._writing.cancel()
                    left.append(self._writing)
                await asyncio.gather(*left, return_exceptions=True)

    async def _work(self, receive: Receive) -> None:
        try:
            await self._read_body(receive)
            while self._entries:
                await self._write_some()
            await self._wait_for_writing()
            await self._outbox.put(_encode(self._counts))
        except (Problem, AnchorError, OSError) as error:
            await self._outbox.put(_encode({"problem": explain(error).members()}))

    async def _read_body(self, receive: Receive) -> None:
        size = 0
        body = _Body(receive, self._service.stopping, self._lease)
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.bulk_seconds
        try:
            while not body.is_complete:
                patience = _LINGER if self._entries else self._settings.body_seconds
                piece = await body.next(min(patience, end - loop.time()))
                if piece is None:
                    if not self._entries:
                        raise too_slow()
                    await self._write_some()
                    continue
                size += len(piece)
                if size > self._settings.max_bulk:
                    raise too_long(self._settings.max_bulk)
                await self._add(self._splitter.feed(piece))
                while len(self._entries) >= self._service.write_queue.chunk:
                    await self._write_some()
            await self._add(self._splitter.finish())
        finally:
            body.close()

    async def _add(self, lines: list[Line]) -> None:
        origin = replace(self._origin, recorded_at=utc_now())
        for start in range(0, len(lines), _AT_ONCE):
            some = lines[start : start + _AT_ONCE]
            self._entries.extend(read_lines(some, origin, max_line=self._settings.max_line))
            await asyncio.sleep(0)  # other requests get their turn

    async def _write_some(self) -> None:
        """Start writing the next lines, after earlier ones are written and answered."""
        count = min(len(self._entries), self._service.write_queue.chunk)
        entries = [self._entries.popleft() for _ in range(count)]
        await self._wait_for_writing()
        self._lease.check()
        self._service.check_intake()
        self._writing = asyncio.create_task(self._write(entries))

    async def _wait_for_writing(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    async def _write(self, entries: list[Entry]) -> None:
        rows = [entry for _, entry in entries if isinstance(entry, NewEvidence)]
        outcomes: list[Outcome] = []
        copies: int | None = None
        if rows:
            key = self._lease.key
            job = Job(key.tenant, key.limits, rows, is_bulk=True)
            outcomes = await self._service.write_queue.write(job)
            copies = job.copies
        rest = iter(outcomes)
        answers = [
            self._refuse(number, entry)
            if isinstance(entry, Problem)
            else self._describe(number, entry, next(rest), copies)
            for number, entry in entries
        ]
        self._counts["lines"] += len(entries)
        await self._outbox.put(b"".join(answers))

    def _describe(
        self, number: int, row: NewEvidence, outcome: Outcome, copies: int | None
    ) -> bytes:
        if not isinstance(outcome, Admitted):
            return self._refuse(number, over_quota(self._lease.key.limits))
        if outcome.is_new:
            self._counts["new"] += 1
            return b'{"line":%d,"id":"%b","state":"accepted","known":false%b}\n' % (
                number,
                row.identity.hex().encode(),
                b"" if copies is None else b',"copies":%d' % copies,
            )
        self._counts["known"] += 1
        state = self._service.stage_watch.reach.stage_of(outcome.leaf_index).value
        members = {"line": number, "id": row.identity.hex(), "state": state, "known": True}
        return _encode(members if copies is None else members | {"copies": copies})

    def _refuse(self, number: int, problem: Problem) -> bytes:
        self._counts["refused"] += 1
        return _encode({"line": number, "problem": problem.members()})


class _Gone(Exception):
    """The client has disconnected, or does not read its answers."""


class _Body:
    """A request's body; a wait for its next piece can time out and be repeated."""

    def __init__(self, receive: Receive, stopping: asyncio.Event, lease: KeyLease) -> None:
        self._receive = receive
        self._stopping = asyncio.ensure_future(stopping.wait())
        self._lease = lease
        self._ending = asyncio.ensure_future(lease.ended.wait())
        self._next: asyncio.Future[AsgiMessage] | None = None
        self.is_complete = False

    async def next(self, seconds: float) -> bytes | None:
        """Return the next piece; None if it does not arrive in time.

        Raises:
            _Gone: The client has disconnected.
            Problem: The service is stopping (503), or the key was revoked or has expired (401).
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._receive())
        waited: set[asyncio.Future[Any]] = {self._next, self._stopping, self._ending}
        await asyncio.wait(waited, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        if self._stopping.done():
            raise Problem(503, Message("service-stopping-mid-bulk"))
        self._lease.check()
        if not self._next.done():
            return None
        message, self._next = self._next.result(), None
        if message["type"] != "http.request":
            raise _Gone
        self.is_complete = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def close(self) -> None:
        """Cancel every wait."""
        self._stopping.cancel()
        self._ending.cancel()
        if self._next is not None:
            self._next.cancel()


class _Outbox:
    """A queue of answers to the client, which has to read each within ``patience`` seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._is_closed = False
        self._changed = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Add an answer; wait while too many are unread.

        Raises:
            _Gone: The client does not read the answers in time.
        """
        if self._is_closed:
            raise _Gone
        self._parts.append(data)
        self._size += len(data)
        self._changed.set()
        if self._size > _MOST_UNREAD:
            try:
                async with asyncio.timeout(self._patience):
                    while self._size > _MOST_UNREAD:
                        await asyncio.sleep(_LINGER)
            except TimeoutError:
                raise _Gone from None

    def close(self) -> None:
        """Make ``drain`` return once everything is sent."""
        self._is_closed = True
        self._changed.set()

    async def drain(self, send: Send) -> None:
        """Send all answers until the queue is closed and empty."""
        try:
            while not (self._is_closed and not self._parts):
                await self._changed.wait()
                self._changed.clear()
                while self._parts:
                    data = b"".join(self._parts)
                    self._parts.clear()
                    async with asyncio.timeout(self._patience):
                        await send({"type": "http.response.body", "body": data, "more_body": True})
                    self._size -= len(data)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            self._is_closed = True


def _encode(members: object) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
