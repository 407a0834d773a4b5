"""Finding and digesting files in a folder that a test has for itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from anchor.base.digests import SHA256, SM3, digest_bytes, digest_stream
from anchor.evidence import file_hashing
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile, find_sources
from anchor.evidence.file_hashing import (
    Result,
    hash_sources,
)
from anchor.evidence.hashing_pool import open_executor

BOTH = (SHA256, SM3)


NOBODY = 65534


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory that an unprivileged user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.chdir(folder)
    yield folder
    monkeypatch.undo()
    # Tests of what may not be read leave such folders.
    subprocess.run(["chmod", "-R", "u+rwx", folder], check=True)
    shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Drop root's right to pass over permissions; it comes back with the effective user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def write(path: str | Path, content: bytes = b"evidence") -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def find(*arguments: str | Path, follow: bool = False) -> list[Discovered]:
    return list(find_sources([Path(item) for item in arguments], follow_symlinks=follow))


def show(found: Sequence[Discovered | Result]) -> list[str]:
    """Write each item as one short line, with ! for a problem and - for what was skipped."""
    lines = []
    for item in found:
        if isinstance(item, IntakeProblem | Skipped):
            lines.append(
                f"{'!' if isinstance(item, IntakeProblem) else '-'} {item.path}: {item.reason}"
            )
        else:
            lines.append(item.name if isinstance(item, SourceFile) else item.source.name)
    return lines


def hash_all(found: Sequence[Discovered], workers: int = 2, **options: Any) -> list[Result]:
    with open_executor(workers) as executor:
        return list(hash_sources(found, BOTH, executor=executor, **options))


def hash_one(path: Path, guarded: int = 1) -> Result:
    (result,) = hash_all([SourceFile(path=path, name="x", guarded=guarded)])
    return result


def reason(result: Result | Discovered) -> str:
    assert isinstance(result, IntakeProblem), result
    return result.reason


def change_while_read(
    monkeypatch: pytest.MonkeyPatch, path: Path, change: Callable[[Path], None], times: int
) -> list[int]:
    """Change the file after each of its first ``times`` reads; return a list that counts reads."""
    reads: list[int] = []

    def after_first_read() -> None:
        reads.append(1)
        if len(reads) <= times:
            change(path)

    def whole(data: bytes, algorithms: tuple[str, ...]) -> object:
        after_first_read()
        return digest_bytes(data, algorithms)

    class Watched:
        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self._is_first = True

        def readinto(self, buffer: Any) -> int:
            count: int = self._stream.readinto(buffer)
            if self._is_first:
                self._is_first = False
                after_first_read()
            return count

    def streamed(stream: Any, algorithms: tuple[str, ...], *, limit: int | None = None) -> object:
        return digest_stream(cast(BinaryIO, Watched(stream)), algorithms, limit=limit)

    monkeypatch.setattr(file_hashing, "digest_bytes", whole)
    monkeypatch.setattr(file_hashing, "digest_stream", streamed)
    return reads
