"""Jobs: work that a transaction orders, and that a worker does later, at least once.

A job is ordered in the transaction that needs it, so that neither exists without the other.  A
worker takes it for some time; if the worker dies, another one takes it after that time.  A worker
whose time ran out can neither finish the job nor put it off.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from anchor.base.messages.message import translate
from anchor.store.database import Database
from anchor.store.schema import jobs

MAX_TROUBLE = 300
"""The most characters that are kept of the reason why a job failed."""

Record = Callable[[Connection], None]
"""Records a job's result, in the transaction that finishes the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenJob:
    """A job that this worker has taken.

    ``attempts`` counts this attempt too, ``failures`` the earlier ones that failed.
    """

    id: int
    kind: str
    about: str
    attempts: int
    failures: int


def order_job(connection: Connection, kind: str, about: str, *, due_at: str) -> None:
    """Order a job; times are RFC 3339 texts."""
    connection.execute(
        insert(jobs).values(kind=kind, about=about, due_at=due_at, attempts=0, failures=0)
    )


def take_job(
    connection: Connection, kinds: Sequence[str], *, at: str, until: str
) -> TakenJob | None:
    """Take the job that is due for the longest time, and keep it from others until ``until``.

    Returns None if no job of these kinds is due.
    """
    row = connection.execute(
        select(jobs)
        .where(jobs.c.kind.in_(kinds) & (jobs.c.due_at <= at))
        .order_by(jobs.c.due_at, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    job = TakenJob(
        id=row.id,
        kind=row.kind,
        about=row.about,
        attempts=row.attempts + 1,
        failures=row.failures,
    )
    connection.execute(
        update(jobs).where(jobs.c.id == row.id).values(due_at=until, attempts=job.attempts)
    )
    return job


def finish_job(connection: Connection, job: TakenJob) -> bool:
    """Delete a job that is done; return False if another worker has taken it since."""
    return connection.execute(delete(jobs).where(_same(job))).rowcount == 1


def put_off_job(
    connection: Connection,
    job: TakenJob,
    *,
    due_at: str,
    has_failed: bool = False,
    trouble: str | None = None,
) -> bool:
    """Put a job off until ``due_at``, and count the failure, with its reason, if it has failed.

    Returns False, and changes nothing, if another worker has taken the job since.
    """
    query = update(jobs).where(_same(job))
    values: dict[str, object] = {"due_at": due_at, "failures": job.failures + has_failed}
    if has_failed:
        values["trouble"] = None if trouble is None else describe_trouble(trouble)
    return connection.execute(query.values(**values)).rowcount == 1


def describe_trouble(reason: str) -> str:
    """Return a reason in each language, cut to ``MAX_TROUBLE`` characters, as JSON."""
    texts = {
        "en": translate(reason, "en")[:MAX_TROUBLE],
        "zh": translate(reason, "zh")[:MAX_TROUBLE],
    }
    return json.dumps(texts, ensure_ascii=False)


def is_due(connection: Connection, kinds: Sequence[str], at: str) -> bool:
    """Return whether a job of these kinds is due."""
    query = select(jobs.c.id).where(jobs.c.kind.in_(kinds) & (jobs.c.due_at <= at)).limit(1)
    return connection.execute(query).first() is not None


class JobQueue:
    """The jobs of a store, for a worker that does them outside of any transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, kinds: Sequence[str], *, at: str, until: str) -> TakenJob | None:
        """Take a job as ``take_job`` does, without a write if none is due."""
        with self._database.read() as connection:
            if not is_due(connection, kinds, at):
                return None
        return self._database.write_with_retry(
            lambda connection: take_job(connection, kinds, at=at, until=until)
        )

    def finish(self, job: TakenJob, record: Record) -> None:
        """Record the result of a job and delete it, unless another worker has taken it since."""

        def work(connection: Connection) -> None:
            if finish_job(connection, job):
                record(connection)

        self._database.write_with_retry(work)

    def put_off(
        self,
        job: TakenJob,
        *,
        due_at: str,
        has_failed: bool = False,
        trouble: str | None = None,
        record: Record | None = None,
    ) -> None:
        """Put a job off as ``put_off_job`` does, and record what became of this attempt."""

        def work(connection: Connection) -> None:
            is_put_off = put_off_job(
                connection, job, due_at=due_at, has_failed=has_failed, trouble=trouble
            )
            if is_put_off and record is not None:
                record(connection)

        self._database.write_with_retry(work)


def record_nothing(_connection: Connection) -> None:
    """Record no result, because another job did what this one was for."""


def _same(job: TakenJob) -> ColumnElement[bool]:
    # SQLite may give the id of a job that is done to a new one.
    is_it = (jobs.c.id == job.id) & (jobs.c.kind == job.kind) & (jobs.c.about == job.about)
    return is_it & (jobs.c.attempts == job.attempts)
