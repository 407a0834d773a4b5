"""The threads of a worker that write evidence into the store.

Submissions that arrive during a write are committed together by the next transaction: a commit
waits for the disk, and all of them can share one.

If the store allows one writer, one thread writes: single submissions first, then a part of a bulk
one, small enough for some milliseconds, so that no submission waits for long.  The thread chooses
the jobs once it holds the write lock.  If the store allows concurrent writers, single and bulk
submissions have a thread each.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from anchor.base.errors import (
    AnchorError,
    CopyMissingError,
    SideFileHeldError,
    StorageError,
    StoreAwayError,
    WriteRefusedError,
)
from anchor.base.messages.message import Message
from anchor.store.api_keys import Quota
from anchor.store.columns import MOST_PIECES, NewEvidence, Run
from anchor.store.database import Database
from anchor.store.quota import Outcome, admit

_LOG = logging.getLogger("anchor.service")

# The most single submissions in one transaction.
_SINGLES = 500
# The most transactions of single submissions in a row before a part of a bulk submission.
_IN_A_ROW = 4
# The target duration of a bulk transaction in seconds, and its least and most lines: whole runs.
_TARGET = 0.015
LEAST_CHUNK, MOST_CHUNK = MOST_PIECES, 4 * MOST_PIECES
# Bytes of a record in addition to its content, for the estimate of disk space.
_RECORD_BYTES = 512


@dataclass(slots=True)
class Job:
    """Evidence of one tenant from one request, and the future that is set when it is written.

    ``key`` is the hash of the idempotency key of a single piece.  ``is_bulk``: other jobs take
    precedence.
    """

    tenant: str
    limits: Quota
    items: Sequence[NewEvidence | Run]
    key: bytes | None = None
    is_bulk: bool = False
    # The number of servers that hold the evidence once written; None if one is enough.
    copies: int | None = None
    done: asyncio.Future[list[Outcome]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def count(self) -> int:
        """The number of pieces."""
        return sum(part.pieces if isinstance(part, Run) else 1 for part in self.items)

    @property
    def size(self) -> int:
        """The approximate size of the evidence in the store, in bytes."""
        records = sum(
            part.record_bytes if isinstance(part, Run) else len(part.record) for part in self.items
        )
        return records + _RECORD_BYTES * self.count


class WriteQueue:
    """A queue whose threads write jobs; the event loop is notified once they are durable."""

    def __init__(
        self, database: Database, clock: Callable[[], str], end_process: Callable[[], None]
    ) -> None:
        """Create the queue; ``end_process`` is called if the outcome of a write is unknown."""
        self._database = database
        self._clock = clock
        self._end_process = end_process
        self._singles: deque[Job] = deque()
        self._bulks: deque[Job] = deque()
        self._condition = threading.Condition()
        self._is_closing = False
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.chunk = LEAST_CHUNK if database.has_one_writer else MOST_CHUNK
        """The number of lines that the next job of a bulk submission should have."""

    def start(self) -> None:
        """Start the threads; results are delivered to the running event loop."""
        self._loop = asyncio.get_running_loop()
        nothing: deque[Job] = deque()
        parts = ((self._singles, nothing), (nothing, self._bulks))
        for queues in [(self._singles, self._bulks)] if self._database.has_one_writer else parts:
            thread = threading.Thread(target=self._run, args=queues, name="write", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Write the queued jobs, then end the threads."""
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    async def write(self, job: Job) -> list[Outcome]:
        """Write a job; when this returns it is durable.

        Raises:
            AnchorError: The job was not written, or that is unknown (StorageError).
        """
        with self._condition:
            if self._is_closing:
                raise StorageError(Message("service-stopping"))
            (self._bulks if job.is_bulk else self._singles).append(job)
            self._condition.notify_all()
        return await job.done

    def _run(self, singles: deque[Job], bulks: deque[Job]) -> None:
        """Write the jobs of these queues, until the worker ends."""
        in_a_row = 0

        def choose() -> list[Job]:
            nonlocal in_a_row
            with self._condition:
                if bulks and (in_a_row == _IN_A_ROW or not singles):
                    in_a_row = 0
                    return [bulks.popleft()]
                in_a_row += 1
                return [singles.popleft() for _ in range(min(len(singles), _SINGLES))]

        while True:
            with self._condition:
                while not (singles or bulks or self._is_closing):
                    self._condition.wait()
                if not (singles or bulks):
                    return
            self._write(choose)

    def _write(self, choose: Callable[[], list[Job]]) -> None:
        """Write the jobs that ``choose`` returns once the write lock is held."""
        batch = _Batch(choose, self._database.check_room)
        try:
            written = self._database.write_counted(
                lambda connection: admit(connection, batch.begin(), self._clock())
            )
        except _NoRoomError as error:  # the transaction was not begun
            self._answer([(job, error.reason) for job in batch.jobs])
        except (CopyMissingError, WriteRefusedError, SideFileHeldError) as error:
            # Missing copy: the first server has the evidence, and a repeated submission finds it.
            # Refused write: not stored, and another process or an immediate retry would fail, too.
            self._answer([(job, error) for job in batch.jobs or choose()])
        except StoreAwayError as error:
            if batch.jobs:
                self._end_after(error, batch.jobs)
            else:  # the transaction was not begun: report it; later jobs try again
                self._answer([(job, error) for job in choose()])
        except StorageError as error:
            # Whether the jobs were written is unknown; a restart of the worker is the recovery.
            self._end_after(error, batch.jobs or choose())
        except Exception as error:  # noqa: BLE001 (a job must be answered, whatever happened)
            if len(batch.jobs) > 1:  # one faulty job must not fail the others
                for job in batch.jobs:
                    self._write(partial(list, [job]))
            else:
                self._answer([(job, error) for job in batch.jobs or choose()])
        else:
            if batch.jobs[0].is_bulk:
                self._adapt(batch.jobs[0].count, time.monotonic() - batch.began)
            for job in batch.jobs:
                job.copies = written.copies
            self._answer(list(zip(batch.jobs, written.result, strict=True)))

    def _end_after(self, error: StorageError, jobs: list[Job]) -> None:
        self._answer([(job, error) for job in jobs])
        _LOG.error(Message("service-process-ends", reason=error.message))
        self._end_process()

    def _adapt(self, count: int, seconds: float) -> None:
        """Adapt the size of the next parts, slowly: one slow commit proves little."""
        if not self._database.has_one_writer:
            return
        fitting = count * _TARGET / max(seconds, 1e-4)
        self.chunk = round(max(LEAST_CHUNK, min(MOST_CHUNK, (3 * self.chunk + fitting) / 4)))

    def _answer(self, answers: list[tuple[Job, list[Outcome] | Exception]]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(_settle, answers)


class _Batch:
    """The jobs of one transaction, chosen when it begins, and its start time."""

    def __init__(self, choose: Callable[[], list[Job]], check_room: Callable[[int], None]) -> None:
        self._choose = choose
        self._check_room = check_room
        self.jobs: list[Job] = []
        self.began = 0.0

    def begin(self) -> list[Job]:
        """Return the jobs; the same ones again if the transaction is retried after a conflict."""
        self.began = time.monotonic()
        if not self.jobs:
            self.jobs = self._choose()
            try:
                self._check_room(sum(job.size for job in self.jobs))
            except AnchorError as error:
                raise _NoRoomError(error) from error
        return self.jobs


class _NoRoomError(Exception):
    """The disk has no room for these jobs."""

    def __init__(self, reason: AnchorError) -> None:
        self.reason = reason


def _settle(answers: list[tuple[Job, list[Outcome] | Exception]]) -> None:
    for job, answer in answers:
        if job.done.done():
            continue  # the request no longer waits
        if isinstance(answer, Exception):
            job.done.set_exception(answer)
        else:
            job.done.set_result(answer)
