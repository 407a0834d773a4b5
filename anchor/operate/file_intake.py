"""Intake of files: finds, digests and accepts them, some hundreds at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from anchor.base.digests import Digests
from anchor.base.messages.message import Message
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped
from anchor.evidence.file_hashing import FileDigest, FileIdentity, hash_sources
from anchor.evidence.record import MAX_NAME_CHARACTERS, source_of
from anchor.evidence.record_groups import RecordGroups
from anchor.operate.acceptance import (
    Acceptance,
    AcceptedEvidence,
    EvidenceInput,
    accept,
    accept_each,
    accept_with_key,
    claim_restored,
    fewest,
    sum_up,
)
from anchor.operate.recent_block import NameBlock, name_no_block
from anchor.project.project import OpenProject
from anchor.store.evidence import find_changed
from anchor.store.location import SqliteFile, StoreLocation

# One transaction, and so one fsync, for this many files.  Small transactions make more runs of
# evidence and fingerprints, which are joined and merged later.  10,000 files take 30 MiB of memory.
_RUN_FILES = 10_000
# Seconds of work that a crash may undo: files that take longer are committed in shorter runs.
_RUN_SECONDS = 2.0
_OWN_STORE = Message("file-own-store")
_LONG_NAME = Message("file-name-too-long", limit=MAX_NAME_CHARACTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedFile:
    """A file that was digested, and its evidence in the store."""

    path: Path
    name: str
    digests: Digests
    evidence: AcceptedEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """A file with another content than when it was last accepted, at ``accepted_at``."""

    path: Path
    accepted_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeResult:
    """Result of the intake of some paths.  ``files`` are those now in the store, if asked for.

    ``copies`` is the number of servers that hold all of them; None if one server is enough.
    """

    new: int
    known: int
    size: int
    files: tuple[AcceptedFile, ...]
    problems: tuple[IntakeProblem, ...]
    skipped: tuple[Skipped, ...]
    changed: tuple[ChangedFile, ...] = ()
    copies: int | None = None


def gather(
    project: OpenProject,
    sources: Iterable[Discovered],
    *,
    executor: Executor,
    again: bool = False,
    key: str | None = None,
    keep_files: bool = False,
    groups: RecordGroups | None = None,
    on_done: Callable[[int, int], None] | None = None,
    name_block: NameBlock = name_no_block,
    monotonic: Callable[[], float] = time.monotonic,
) -> IntakeResult:
    """Accept every file found; unreadable files are reported, and the others are accepted.

    Files are committed in runs, in their order: after a crash, repeating the call accepts the rest.
    ``key`` is an idempotency key, for one file only and without ``keep_files``.  ``groups`` go into
    every record.  ``name_block`` tells before any file is read, and again for each run, which block
    the records name.
    """
    files: list[AcceptedFile] = []
    problems: list[IntakeProblem] = []
    skipped: list[Skipped] = []
    changed: list[ChangedFile] = []
    done: list[Acceptance] = []
    size = 0
    # No more of a file than is needed until the run is accepted: its path as text.
    run: list[EvidenceInput] = []
    paths: list[str] = []
    began = monotonic()

    def accept_run() -> None:
        nonlocal size, began
        began = monotonic()
        if not run:
            return
        if not again and key is None and groups is None:
            claim_restored(project, run)
        changed.extend(_find_changed(project, run, paths))
        not_before = name_block()
        if keep_files:
            each = accept_each(project, run, again=again, not_before=not_before)
            files.extend(map(_accepted_file, paths, run, each))
            done.append(sum_up(each))
        elif key is None:
            done.append(accept(project, run, again=again, not_before=not_before))
        else:
            done.append(accept_with_key(project, run, key, not_before))
        size += sum(submission.digests.size or 0 for submission in run)
        run.clear()
        paths.clear()

    name_block()  # fails before anything is hashed
    results = hash_sources(
        sources,
        project.config.digests,
        executor=executor,
        on_done=on_done,
        untouched=dict.fromkeys(_list_own_files(project.config.store), _OWN_STORE),
    )
    with closing(results):  # otherwise an interrupt would wait until all files are read
        for result in results:
            if isinstance(result, FileDigest) and len(result.source.name) > MAX_NAME_CHARACTERS:
                problems.append(IntakeProblem(path=result.source.path, reason=_LONG_NAME))
            elif isinstance(result, FileDigest):
                run.append(_submission(result, groups))
                paths.append(str(result.source.path))
                if len(run) == _RUN_FILES or monotonic() - began > _RUN_SECONDS:
                    accept_run()
            elif isinstance(result, IntakeProblem):
                problems.append(result)
            else:
                skipped.append(result)
    accept_run()
    return IntakeResult(
        new=sum(each.new for each in done),
        known=sum(each.known for each in done),
        size=size,
        files=tuple(files),
        problems=tuple(problems),
        skipped=tuple(skipped),
        changed=tuple(changed),
        copies=fewest(*(each.copies for each in done)),
    )


def _list_own_files(store: StoreLocation) -> Iterator[FileIdentity]:
    """Yield the files of the store that is open in this process.

    Closing any of them, even after only reading it, would release all locks that SQLite holds in
    this process (https://www.sqlite.org/howtocorrupt.html), and so endanger its later commits.
    """
    if not isinstance(store, SqliteFile):
        return
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            status = store.path.with_name(store.path.name + suffix).stat()
            yield status.st_dev, status.st_ino


def _find_changed(
    project: OpenProject, run: Sequence[EvidenceInput], paths: Sequence[str]
) -> Iterator[ChangedFile]:
    """Yield the files of ``run`` that the store holds with another content only."""
    digests = {submission.source: submission.digests for submission in run}
    with project.database.read() as connection:
        times = find_changed(connection, digests)
    if not times:
        return
    for submission, path in zip(run, paths, strict=True):
        if submission.source in times:
            yield ChangedFile(path=Path(path), accepted_at=times[submission.source])


def _accepted_file(
    path: str, submission: EvidenceInput, evidence: AcceptedEvidence
) -> AcceptedFile:
    return AcceptedFile(
        path=Path(path), name=submission.name, digests=submission.digests, evidence=evidence
    )


def _submission(hashed: FileDigest, groups: RecordGroups | None) -> EvidenceInput:
    source = hashed.source
    return EvidenceInput(
        source=source.origin or source_of(source.path),
        name=source.name,
        digests=hashed.digests,
        groups=groups,
    )
