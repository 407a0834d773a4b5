"""Taking in files: found, digested and accepted, a few hundred at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from anchor.checksums import decode_name
from anchor.intake import Found, Hashed, Problem, Skipped, hash_sources
from anchor.pipeline.acceptance import Submission, accept, accept_with_key
from anchor.pipeline.project import Project
from anchor.record import MAX_NAME_CHARACTERS

# One transaction, and so one fsync, for this many files.
_CHUNK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What taking in some paths came to.  ``files`` are those now in the store, if asked for."""

    new: int
    known: int
    size: int
    files: tuple[Hashed, ...]
    problems: tuple[Problem, ...]
    skipped: tuple[Skipped, ...]


def gather(
    project: Project,
    found: Iterable[Found],
    *,
    executor: Executor,
    again: bool = False,
    key: str | None = None,
    keep_files: bool = False,
    on_done: Callable[[int, int], None] | None = None,
) -> Gathered:
    """Accept every file found; what cannot be read is reported, and the rest is done.

    ``key`` is an idempotency key, for one file only.
    """
    files: list[Hashed] = []
    problems: list[Problem] = []
    skipped: list[Skipped] = []
    new = known = size = 0
    chunk: list[Hashed] = []

    def accept_chunk() -> None:
        nonlocal new, known, size
        if not chunk:
            return
        submissions = [_submission(hashed) for hashed in chunk]
        if key is None:
            done = accept(project, submissions, again=again)
        else:
            done = accept_with_key(project, submissions, key)
        new += done.new
        known += done.known
        size += sum(hashed.digests.size or 0 for hashed in chunk)
        if keep_files:
            files.extend(chunk)
        chunk.clear()

    for result in hash_sources(found, project.config.digests, executor=executor, on_done=on_done):
        if isinstance(result, Hashed) and len(result.source.name) > MAX_NAME_CHARACTERS:
            reason = f"its name is longer than the {MAX_NAME_CHARACTERS:,} characters of a record"
            problems.append(Problem(path=result.source.path, reason=reason))
        elif isinstance(result, Hashed):
            chunk.append(result)
            if len(chunk) == _CHUNK:
                accept_chunk()
        elif isinstance(result, Problem):
            problems.append(result)
        else:
            skipped.append(result)
    accept_chunk()
    return Gathered(
        new=new,
        known=known,
        size=size,
        files=tuple(files),
        problems=tuple(problems),
        skipped=tuple(skipped),
    )


def source_of(path: Path) -> str:
    """Return how the store names a file's place: its absolute path, links in its folder resolved.

    A link to a file stays a name of its own.
    """
    place = os.path.join(os.path.realpath(path.parent), path.name)
    # The store keeps text; bytes that are no text are escaped as they are in names.
    return decode_name(os.fsencode(place))


def _submission(hashed: Hashed) -> Submission:
    return Submission(
        source=source_of(hashed.source.path), name=hashed.source.name, digests=hashed.digests
    )
