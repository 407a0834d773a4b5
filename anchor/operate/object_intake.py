"""Intake of objects: lists, hashes and accepts them part by part, with a manifest of each part.

A part is accepted once its manifest is durable, and the manifest then becomes evidence itself.
Every step can be repeated: what was accepted before is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from anchor.base.objects.object_store import ListedObject
from anchor.base.system.ordered_tasks import run_in_order
from anchor.evidence.file_hashing import digest_file
from anchor.evidence.hashing_pool import HashingWorkers
from anchor.evidence.record import MAX_NAME_CHARACTERS, source_of
from anchor.objects.hashing_job import HashingJob, list_ahead
from anchor.objects.object_hashing import HashingRules, ObjectRow, hash_objects, split_batches
from anchor.operate.acceptance import Acceptance, EvidenceInput, accept, claim_restored, fewest
from anchor.operate.recent_block import NameBlock
from anchor.project.project import OpenProject

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
    workers: HashingWorkers,
    name_block: NameBlock,
    on_done: Callable[[int, int], None],
    on_total: Callable[[int, int], None],
) -> ObjectIntake:
    """List and hash a job's objects on ``workers``, and accept them and their manifests.

    ``on_done(objects, bytes)`` is called for what each finished task adds, and ``on_total`` once
    all objects are listed, in another thread, with what was to be read.

    Raises:
        UsageError: A URL has no object, or a bucket may not be listed.
        CannotCheckError: A store does not answer; run the job again to continue it.
    """
    intake = ObjectIntake(folder=job.folder)
    for number, rows in _hash_parts(job, rules, workers, on_done, on_total):
        _accept_rows(project, rows, name_block, intake)
        _accept_manifest(project, job.part(number), name_block, intake)
    return intake


def take_manifest(
    project: OpenProject, path: Path, rows: Iterator[ObjectRow], name_block: NameBlock
) -> ObjectIntake:
    """Accept the objects of a manifest that another program made, and the manifest itself.

    ``rows`` have been checked as a whole.  No object is read, so that no bytes are counted.
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
    intake.size = 0
    return intake


@dataclass(frozen=True, slots=True)
class _Batch:
    """Objects of one part for one task; none if an earlier run wrote the part's manifest."""

    part: int
    listed: Sequence[ListedObject] = ()


def _hash_parts(
    job: HashingJob,
    rules: HashingRules,
    workers: HashingWorkers,
    on_done: Callable[[int, int], None],
    on_total: Callable[[int, int], None],
) -> Iterator[tuple[int, list[ObjectRow]]]:
    """Yield the number and the rows of each part in order, once its manifest is durable."""

    def submit(batch: _Batch) -> Future[list[ObjectRow]]:
        if batch.listed:
            return workers.executor.submit(hash_objects, batch.listed, rules)
        return Future()

    with (
        closing(list_ahead(job, on_total)) as numbers,
        closing(run_in_order(_split(job, numbers), submit, workers.max_tasks)) as tasks,
    ):
        for number, part in groupby(tasks, lambda each: each[0].part):
            if job.part(number).exists():
                yield number, job.read_part(number)
                continue
            rows: list[ObjectRow] = []
            for _, task in part:
                done = task.result()
                on_done(len(done), sum(row.size or 0 for row in done if row.digests is not None))
                rows += done
            # A crash before this is done again; after it, the part is not read again.
            job.write_part(number, rows)
            yield number, rows


def _split(job: HashingJob, numbers: Iterable[int]) -> Iterator[_Batch]:
    for number in numbers:
        if job.part(number).exists():
            yield _Batch(number)
        else:
            for batch in split_batches(job.read_listing(number)):
                yield _Batch(number, batch)


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
