"""The task of a worker that does jobs, over a store in a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from anchor.base.errors import CannotCheckError
from anchor.base.messages.message import Message
from anchor.base.system.clock import format_time
from anchor.notifications.retries import delay_after
from anchor.service.job_runner import JobRunner, NotYet
from anchor.store.database import Database, create_database
from anchor.store.jobs import Record, TakenJob, order_job
from anchor.store.location import SqliteFile
from anchor.store.schema import jobs

START = datetime(2026, 1, 1, tzinfo=UTC)
# The most seconds that are waited for a fact, on a machine that is busy with other work.
LONGEST = 60.0


class ObservedRunner(JobRunner):
    """A runner that notes when it has looked for a job for the first time."""

    has_looked: bool = False

    def _take(self) -> TakenJob | None:
        job = super()._take()
        self.has_looked = True
        return job


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with closing(create_database(SqliteFile(tmp_path / "anchor.db"))) as created:
        with created.write() as connection:
            order_job(connection, "knock", "door", due_at=format_time(START))
        yield created


def run(
    store: Database,
    work: Callable[[TakenJob], Awaitable[Record]],
    at: datetime = START,
    *,
    is_ended: bool = True,
) -> None:
    """Run a runner, for whose clock it is ``at``; ``is_ended`` says whether the job will end."""
    taken_until = format_time(at + timedelta(seconds=30))
    open_times = {format_time(at), taken_until} if is_ended else {format_time(at)}

    async def run_once() -> None:
        runner = ObservedRunner(store, lambda: at)
        runner.add("knock", work)
        runner.start()
        async with asyncio.timeout(LONGEST):
            while not runner.has_looked or {due_at for due_at, _ in left(store)} & open_times:
                await asyncio.sleep(0.02)
        await runner.stop()

    asyncio.run(run_once())


def left(store: Database) -> list[tuple[str, int]]:
    """Return when each job is due, and how often it was tried."""
    with store.read() as connection:
        return [(row.due_at, row.attempts) for row in connection.execute(select(jobs))]


def nothing(_connection: Connection) -> None:
    pass


def test_a_job_that_is_done_is_gone_and_its_result_recorded(store: Database) -> None:
    seen: list[TakenJob] = []

    async def work(job: TakenJob) -> Record:
        seen.append(job)
        return lambda connection: order_job(connection, "other", job.about, due_at="9")

    run(store, work)
    assert [(job.kind, job.about, job.attempts) for job in seen] == [("knock", "door", 1)]
    assert left(store) == [("9", 0)]


@pytest.mark.parametrize(
    ("error", "seconds", "trouble"),
    [
        (NotYet(7), 7, None),
        (CannotCheckError(Message("error-mark")), 5, ("error: ", "错误：")),
        (CannotCheckError(Message("list-single", text="q" * 999)), 5, ("q" * 300, "q" * 300)),
        (OSError(28, "no space left on device"), 5, ("[Errno 28] no space left on device",) * 2),
        (TimeoutError(), 5, ("TimeoutError",) * 2),
    ],
)
def test_a_job_that_fails_is_put_off_and_says_why(
    store: Database, error: Exception, seconds: int, trouble: tuple[str, str] | None
) -> None:
    async def work(_job: TakenJob) -> Record:
        raise error

    run(store, work)
    assert left(store) == [(format_time(START + timedelta(seconds=seconds)), 1)]
    with store.read() as connection:
        failures = connection.execute(select(jobs.c.failures)).scalar_one()
        said = connection.execute(select(jobs.c.trouble)).scalar_one()
    assert said == (
        trouble and json.dumps(dict(zip(("en", "zh"), trouble, strict=True)), ensure_ascii=False)
    )
    assert failures == (0 if isinstance(error, NotYet) else 1)  # waiting is no failure


def test_a_job_of_a_worker_that_stopped_is_done_by_another_one(store: Database) -> None:
    async def die(_job: TakenJob) -> Record:
        await asyncio.sleep(60)
        return nothing

    async def work(_job: TakenJob) -> Record:
        return nothing

    run(store, die, is_ended=False)
    run(store, work, START + timedelta(seconds=29))
    assert [attempts for _, attempts in left(store)] == [1]
    run(store, work, START + timedelta(seconds=30))
    assert left(store) == []


def test_the_delay_doubles_up_to_an_hour() -> None:
    assert [delay_after(attempts, 3600) for attempts in (1, 2, 3, 10, 11, 99)] == [
        *(5, 10, 20, 2560),
        *(3600, 3600),
    ]


def test_a_task_that_ends_by_a_bug_ends_its_worker(store: Database) -> None:
    async def work(_job: TakenJob) -> Record:
        raise ZeroDivisionError

    async def run_once() -> None:
        ended = asyncio.Event()
        runner = JobRunner(store, lambda: START, ended.set)
        runner.add("knock", work)
        runner.start()
        await asyncio.wait_for(ended.wait(), LONGEST)

    asyncio.run(run_once())
