"""Audit of the original files of the evidence: those that still exist are hashed again."""

from __future__ import annotations

import stat
from collections.abc import Generator, Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from os import fsdecode
from pathlib import Path

from anchor.base.digests import SHA256, SM3, Digests
from anchor.base.messages.message import Message
from anchor.evidence.checksums import encode_name
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile, describe_error
from anchor.evidence.file_hashing import FileDigest, hash_sources
from anchor.project.project import OpenProject
from anchor.store.file_origins import load_files


@dataclass(slots=True)
class Originals:
    """Counts of what was found of the original files; they say nothing about the log's integrity.

    A missing or unreadable file is not a breach: the operator is not required to keep it.
    """

    equal: int = 0
    missing: int = 0
    unreadable: list[Message] = field(default_factory=list)


def audit_originals(
    project: OpenProject, executor: Executor, originals: Originals
) -> Generator[Message, None, None]:
    """Yield one message per file whose digests match none recorded for its path.

    Count in ``originals`` how many are equal, missing or unreadable. The store is not locked:
    other processes may write to it meanwhile.
    """
    expected: dict[str, list[Digests]] = {}
    results = hash_sources(
        _list_files(project, expected, originals), (SHA256, SM3), executor=executor
    )
    with closing(results):  # otherwise an interrupt would wait until all files are read
        for result in results:
            if isinstance(result, FileDigest):
                versions = expected.pop(result.source.name)
                if any(_is_same(version, result.digests) for version in versions):
                    originals.equal += 1
                else:
                    path = result.source.path
                    yield Message("audit-original-changed", path=path)
            elif isinstance(result, IntakeProblem):
                originals.unreadable.append(
                    Message("with-reason", failure=result.path, reason=result.reason)
                )
            else:
                assert not isinstance(result, Skipped)


def _list_files(
    project: OpenProject, expected: dict[str, list[Digests]], originals: Originals
) -> Iterator[Discovered]:
    with project.database.read() as connection:
        files = load_files(connection)
    for name, versions in files:
        path = Path(fsdecode(encode_name(name)))
        try:
            is_file = stat.S_ISREG(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            is_file = False
        except (OSError, ValueError) as error:
            yield IntakeProblem(
                path=path, reason=Message("path-complaint", reason=describe_error(error))
            )
            continue
        if is_file:
            expected[name] = versions
            yield SourceFile(path=path, name=name, guarded=0)
        else:
            originals.missing += 1


def _is_same(accepted: Digests, current: Digests) -> bool:
    return all(
        value in (None, other)
        for value, other in ((accepted.sha256, current.sha256), (accepted.sm3, current.sm3))
    )
