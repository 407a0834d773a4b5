"""The answer to a bulk submission, streamed while the submission arrives."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import ExitStack
from dataclasses import replace

from fastapi.responses import Response
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Send

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.system.clock import utc_now
from anchor.service.body_stream import BodyStream, ClientGone
from anchor.service.bulk_answers import LINES, LineAnswers
from anchor.service.bulk_lines import LineReader
from anchor.service.bulk_runs import Entry
from anchor.service.caller import Caller
from anchor.service.caller_recheck import CallerLease
from anchor.service.problems import Problem, explain
from anchor.service.request_body import too_long, too_slow
from anchor.service.submission import Origin, over_quota
from anchor.service.worker import Service
from anchor.service.write_queue import Job
from anchor.store.columns import HASH, Run
from anchor.store.new_pieces import NEW, Admitted
from anchor.store.quota import Outcome

# Seconds that lines wait for further lines before they are written.
_LINGER = 0.02
# The most bytes of lines that are not written yet, and of answers that were not read yet.
_MOST_UNWRITTEN = 1 << 20
_MOST_UNREAD = 16 << 20


class BulkAnswer(Response):
    """A response that reads lines, has them written, and sends an answer to each.

    The three run concurrently: lines are read while earlier ones are written and the answers to
    still earlier ones are sent.
    """

    def __init__(self, service: Service, caller: Caller, origin: Origin, slot: ExitStack) -> None:
        super().__init__(status_code=200, media_type=LINES)
        del self.headers["content-length"]
        self._service = service
        self._settings = service.settings
        self._lease = CallerLease(caller)
        self._slot = slot
        self._origin = origin
        self._reader = LineReader(service.settings.max_line)
        self._answers = LineAnswers()
        self._received = 0
        self._writing: asyncio.Task[None] | None = None
        self._outbox = _Outbox(service.settings.answer_seconds)
        self._counts = {"lines": 0, "new": 0, "known": 0, "refused": 0}

    async def __call__(self, _scope: AsgiMessage, receive: Receive, send: Send) -> None:
        """Answer the request; the client may disconnect at any time."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        with self._slot, self._service.recheck.hold(self._lease.caller) as self._lease:
            stopped = Message("service-stopping-mid-bulk")
            body = BodyStream(receive, self._service.stopping, self._lease, stopped)
            sending: asyncio.Task[None] | None = None
            try:
                await send(start)
                sending = asyncio.create_task(self._outbox.drain(send))
                await self._work(body)
                self._outbox.close()
                await sending
            except ClientGone:
                pass  # a write in progress completes; its answers are not sent
            finally:
                body.close()
                left = [task for task in (sending, self._writing) if task is not None]
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)

    async def _work(self, body: BodyStream) -> None:
        try:
            await self._read_body(body)
            while self._reader.count:
                await self._write_some()
            await self._wait_for_writing()
            self._answers.end(self._counts)
        except (Problem, AnchorError, OSError) as error:
            self._answers.fail(explain(error))
        await self._outbox.put(self._answers.take())

    async def _read_body(self, body: BodyStream) -> None:
        reader = self._reader
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.bulk_seconds
        while not body.is_complete:
            patience = _LINGER if reader.count else self._settings.body_seconds
            if not await self._receive(body, min(patience, end - loop.time())):
                await self._write_some()
            while reader.count >= self._service.write_queue.chunk or (
                reader.count and reader.size >= _MOST_UNWRITTEN
            ):
                await self._write_some()

    async def _receive(self, body: BodyStream, seconds: float) -> bool:
        """Give the reader the next piece; return whether it arrived in time.

        Raises:
            Problem: There are no lines to be written meanwhile (408), or another error.
        """
        piece = await body.next(seconds)
        if piece is None:
            if not self._reader.count:
                raise too_slow()
            return False
        self._received += len(piece)
        if self._received > self._settings.max_bulk:
            raise too_long(self._settings.max_bulk)
        self._reader.feed(piece)
        if body.is_complete:
            self._reader.finish()
        return True

    async def _read_some(self) -> list[Entry]:
        """Read as many lines as one transaction writes."""
        origin = replace(self._origin, recorded_at=utc_now())
        reader = self._reader
        left = min(self._service.write_queue.chunk, reader.count)
        entries: list[Entry] = []
        while left > 0:
            before = reader.count
            entries += reader.read(left, origin)
            left -= before - reader.count
            await asyncio.sleep(0)  # other requests get their turn
        return entries

    async def _write_some(self) -> None:
        """Start writing the next lines, after earlier ones are written and answered."""
        entries = await self._read_some()
        await self._wait_for_writing()
        self._lease.check()
        self._service.check_intake()
        self._writing = asyncio.create_task(self._write(entries))

    async def _wait_for_writing(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    async def _write(self, entries: list[Entry]) -> None:
        items = [entry for _, entry in entries if not isinstance(entry, Problem)]
        outcomes: list[Outcome] = []
        copies: int | None = None
        if items:
            caller = self._lease.caller
            job = Job(caller.tenant, caller.limits, items, is_bulk=True)
            outcomes = await self._service.write_queue.write(job)
            copies = job.copies
        at = 0
        for number, entry in entries:
            if isinstance(entry, Problem):
                self._count("refused", 1)
                self._answers.refuse(number, entry)
                continue
            identities = entry.identities() if isinstance(entry, Run) else entry.identity
            count = len(identities) // HASH
            self._describe(number, identities, outcomes[at : at + count], copies)
            at += count
        await self._outbox.put(self._answers.take())

    def _describe(
        self, number: int, identities: bytes, outcomes: list[Outcome], copies: int | None
    ) -> None:
        if outcomes.count(NEW) == len(outcomes):
            self._count("new", len(outcomes))
            self._answers.accept(number, identities, copies)
            return
        for place, outcome in enumerate(outcomes):
            line, identity = number + place, identities[place * HASH : (place + 1) * HASH]
            if not isinstance(outcome, Admitted):
                self._count("refused", 1)
                self._answers.refuse(line, over_quota(self._lease.caller.limits))
            elif outcome.is_new:
                self._count("new", 1)
                self._answers.accept(line, identity, copies)
            else:
                self._count("known", 1)
                state = self._service.stage_watch.reach.stage_of(outcome.leaf_index)
                self._answers.know(line, identity, state, copies)

    def _count(self, outcome: str, number: int) -> None:
        self._counts[outcome] += number
        self._counts["lines"] += number


class _Outbox:
    """A queue of answers to the client, which has to read each within ``patience`` seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._is_closed = False
        self._changed = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Add an answer; wait while too many are unread."""
        if self._is_closed:
            raise ClientGone
        self._parts.append(data)
        self._size += len(data)
        self._changed.set()
        if self._size > _MOST_UNREAD:
            try:
                async with asyncio.timeout(self._patience):
                    while self._size > _MOST_UNREAD:
                        await asyncio.sleep(_LINGER)
            except TimeoutError:
                raise ClientGone from None

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
