"""Intake of objects: lists, hashes and accepts them part by part, with a manifest of each part.

A part is accepted once its manifest is durable, and the manifest then becomes evidence itself.
Every step can be repeated: what was accepted before is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

from anchor.errors import MalformedError
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.record import MAX_NAME_CHARACTERS, source_of
from anchor.messages.message import Message
from anchor.objects.hashing_job import HashingJob
from anchor.objects.object_hashing import HashingRules, ObjectRow, hash_objects, split_batches
from anchor.objects.object_store import ListedObject
from anchor.operate.acceptance import Acceptance, EvidenceInput, accept, claim_restored, fewest
from anchor.operate.recent_block import NameBlock
from anchor.project.project import OpenProject

# Enough for 16 workers while the oldest task reads a large object.
MAX_TASKS = 48
_SHOWN_PROBLEMS = 1_000
# Rows of a manifest accepted in one transaction.
_RUN_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class UnreadObject:
    """An object without digests, and why."""

    url: str
    reason: str


@dataclass(slots=True, kw_only=True)
class ObjectIntake:
    """What an intake accepted; ``problems`` are the first of ``unread`` objects.

    ``folder`` is where the manifests of a job are.
    """

    new: int = 0
    known: int = 0
    size: int = 0
    unread: int = 0
    copies: int | None = None
    folder: Path | None = None
    problems: list[UnreadObject] = field(default_factory=list)

    def add(self, accepted: Acceptance) -> None:
        """Count what one call accepted."""
        self.new += accepted.new
        self.known += accepted.known
        self.copies = fewest(self.copies, accepted.copies)

    def join(self, other: ObjectIntake) -> None:
        """Count what another intake accepted."""
        self.add(Acceptance(new=other.new, known=other.known, copies=other.copies))
        self.size += other.size
        self.unread += other.unread
        self.folder = self.folder or other.folder
        self.problems += other.problems[: _SHOWN_PROBLEMS - len(self.problems)]

    def count(self, rows: Iterable[ObjectRow]) -> None:
        """Count the bytes of the objects that were read, and name those that were not."""
        for row in rows:
            if row.error is None:
                self.size += row.size or 0
                continue
            self.unread += 1
            if len(self.problems) < _SHOWN_PROBLEMS:
                self.problems.append(UnreadObject(row.url, row.error))


def take_objects(
    project: OpenProject,
    job: HashingJob,
    rules: HashingRules,
    *,
    executor: Executor,
    name_block: NameBlock,
    on_done: Callable[[int, int], None],
) -> ObjectIntake:
    """List and hash a job's objects on ``executor``, and accept them and their manifests.

    Raises:
        UsageError: A URL has no object, or a bucket may not be listed.
        CannotCheckError: A store does not answer; run the job again to continue it.
    """
    intake = ObjectIntake(folder=job.folder)
    for number, rows in enumerate(_hash_parts(job, rules, executor, on_done)):
        _accept_rows(project, rows, name_block, intake)
        _accept_manifest(project, job.part(number), name_block, intake)
    return intake


def take_manifest(
    project: OpenProject, path: Path, rows: Iterator[ObjectRow], name_block: NameBlock
) -> ObjectIntake:
    """Accept the objects of a manifest that another program made, and the manifest itself.

    ``rows`` have been checked as a whole.
    """
    intake = ObjectIntake()
    run: list[ObjectRow] = []
    for row in rows:
        run.append(row)
        if len(run) == _RUN_ROWS:
            _accept_rows(project, run, name_block, intake)
            run = []
    _accept_rows(project, run, name_block, intake)
    _accept_manifest(project, path, name_block, intake)
    return intake


@dataclass(slots=True)
class _Part:
    """A part under way: its tasks, or the rows that an earlier run wrote."""

    number: int
    listed: Sequence[ListedObject]
    rows: list[ObjectRow] | None
    tasks: deque[Future[list[ObjectRow]]] = field(default_factory=deque)


def _hash_parts(
    job: HashingJob,
    rules: HashingRules,
    executor: Executor,
    on_done: Callable[[int, int], None],
) -> Iterator[list[ObjectRow]]:
    """Yield the rows of each part in order, once its manifest is durable.

    While the oldest part ends, the next ones are listed and begun, so that no worker waits.
    """
    parts: deque[_Part] = deque()
    try:
        for number, listed in enumerate(job.list_objects()):
            part = _Part(number, listed, job.read_part(number))
            parts.append(part)
            if part.rows is None:
                for batch in split_batches(listed):
                    while _count_tasks(parts) >= MAX_TASKS and len(parts) > 1:
                        yield _finish(job, parts.popleft(), on_done)
                    part.tasks.append(executor.submit(hash_objects, batch, rules))
        while parts:
            yield _finish(job, parts.popleft(), on_done)
    finally:
        for part in parts:
            for task in part.tasks:
                task.cancel()


def _count_tasks(parts: Iterable[_Part]) -> int:
    return sum(not task.done() for part in parts for task in part.tasks)


def _finish(job: HashingJob, part: _Part, on_done: Callable[[int, int], None]) -> list[ObjectRow]:
    if part.rows is not None:
        if [row.url for row in part.rows] != [str(each.url) for each in part.listed]:
            path = job.part(part.number)
            raise MalformedError(Message("object-part-of-another-listing", path=path))
        return part.rows
    rows: list[ObjectRow] = []
    while part.tasks:
        done = part.tasks.popleft().result()
        on_done(len(done), sum(row.size or 0 for row in done if row.digests is not None))
        rows += done
    # A crash before this is done again; after it, the part is not read again.
    job.write_part(part.number, rows)
    return rows


def _accept_rows(
    project: OpenProject, rows: Sequence[ObjectRow], name_block: NameBlock, intake: ObjectIntake
) -> None:
    intake.count(rows)
    submissions = [
        EvidenceInput(source=row.url, name=_name(row.url), digests=row.digests)
        for row in rows
        if row.digests is not None
    ]
    if submissions:
        claim_restored(project, submissions)
        intake.add(accept(project, submissions, not_before=name_block()))


def _accept_manifest(
    project: OpenProject, path: Path, name_block: NameBlock, intake: ObjectIntake
) -> None:
    digests = digest_file(path).select(project.config.digests)
    name = f"{path.resolve().parent.name}/{path.name}"
    manifest = EvidenceInput(source=source_of(path), name=name, digests=digests)
    claim_restored(project, [manifest])
    intake.add(accept(project, [manifest], not_before=name_block()))


def _name(url: str) -> str:
    """Return an object's name in its record: the end of its URL without the scheme."""
    return url.partition("://")[2][-MAX_NAME_CHARACTERS:]
