"""A worker's tasks that do the jobs that transactions ordered, each one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from anchor.base.errors import AnchorError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.notifications.retries import delay_after
from anchor.store.database import Database
from anchor.store.jobs import JobQueue, Record, TakenJob

_LOG = logging.getLogger("anchor.service")

# Seconds between two looks at the jobs; an order in this worker is seen at once.
_PAUSE = 2.0
# Seconds for a job; and those after which another worker takes that of a worker that died.
_SECONDS = 300
_LEASE = 30
# The most seconds between two attempts.
_LONGEST_DELAY = 3_600

Work = Callable[[TakenJob], Awaitable[Record]]
"""Does a job, which may have been begun before, and returns how to record its result."""


class NotYet(Exception):
    """The job cannot be done yet: it is tried again after ``seconds``.

    That is no failure, unless ``has_failed``, for the reason ``trouble``; ``record`` records what
    became of this attempt.
    """

    def __init__(
        self,
        seconds: int,
        *,
        has_failed: bool = False,
        trouble: Message | None = None,
        record: Record | None = None,
    ) -> None:
        super().__init__()
        self.seconds = seconds
        self.has_failed = has_failed
        self.trouble = trouble
        self.record = record


class JobRunner:
    """Tasks that take due jobs and pass each to the function for its kind.

    The function returns how to record the result.  If it fails, or takes too long (five minutes),
    the job is put off, for longer each time.  ``end_process`` is called if a task ends without
    being stopped.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        end_process: Callable[[], None] = lambda: None,
        *,
        tasks: int = 1,
        seconds: float = _SECONDS,
    ) -> None:
        """Prepare; each of the ``tasks`` does one job at a time, in at most ``seconds``."""
        self._seconds = seconds
        self._end_process = end_process
        self._queue = JobQueue(database)
        self._clock = clock
        self._work: dict[str, Work] = {}
        self._count = tasks
        self._ordered = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, kind: str, work: Work) -> None:
        """Register the function that does the jobs of a kind."""
        self._work[kind] = work

    def start(self) -> None:
        """Start the tasks."""
        for _ in range(self._count):
            task = asyncio.create_task(self._run())
            task.add_done_callback(self._note_end)
            self._tasks.append(task)

    def wake(self) -> None:
        """Wake the tasks, because a job was ordered."""
        self._ordered.set()

    async def stop(self) -> None:
        """Stop the tasks; their jobs are taken again when their time is over."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():  # a bug: no job of this worker would ever be done again
            _LOG.error(Message("jobs-ended"), exc_info=task.exception())
            self._end_process()

    async def _run(self) -> None:
        while True:
            self._ordered.clear()
            try:
                while await self._do_one():
                    pass
            except (AnchorError, OSError) as error:
                _LOG.warning(Message("jobs-not-looked-at", reason=error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ordered.wait(), _PAUSE)

    async def _do_one(self) -> bool:
        """Take and do one job; return False if none is due."""
        job = await asyncio.to_thread(self._take)
        if job is None:
            return False
        try:
            async with asyncio.timeout(self._seconds):
                record = await self._work_on(job)
        except NotYet as error:
            await self._put_off(
                job,
                error.seconds,
                has_failed=error.has_failed,
                trouble=error.trouble,
                record=error.record,
            )
        except (AnchorError, OSError, TimeoutError) as error:
            reason = _describe(error)
            _LOG.warning(Message("job-failed", kind=job.kind, about=job.about, reason=reason))
            seconds = delay_after(job.failures + 1, _LONGEST_DELAY)
            await self._put_off(job, seconds, has_failed=True, trouble=reason)
        else:
            await asyncio.to_thread(self._queue.finish, job, record)
        return True

    async def _work_on(self, job: TakenJob) -> Record:
        """Do a job, and keep it from other workers meanwhile."""
        working = asyncio.ensure_future(self._work[job.kind](job))
        try:
            while not (await asyncio.wait({working}, timeout=_LEASE / 3))[0]:
                await self._put_off(job, _LEASE)
            return working.result()
        finally:
            working.cancel()

    def _take(self) -> TakenJob | None:
        at = self._clock()
        until = at + timedelta(seconds=_LEASE)
        return self._queue.take(tuple(self._work), at=format_time(at), until=format_time(until))

    async def _put_off(
        self,
        job: TakenJob,
        seconds: int,
        *,
        has_failed: bool = False,
        trouble: str | None = None,
        record: Record | None = None,
    ) -> None:
        due_at = format_time(self._clock() + timedelta(seconds=seconds))
        await asyncio.to_thread(
            self._queue.put_off,
            job,
            due_at=due_at,
            has_failed=has_failed,
            trouble=trouble,
            record=record,
        )


def _describe(error: Exception) -> str:
    """Return why a job failed; a time limit of its own says nothing but its name."""
    if isinstance(error, AnchorError):
        return error.message
    return str(error) or type(error).__name__
