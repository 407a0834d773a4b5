"""Hashing of evidence in the file system, many files at a time.

A bad file never stops the others: it is reported as an `IntakeProblem` at its place in the order.

A write that keeps a file's size and falls into the same tick of the file system's clock as the
check before it cannot be detected (before Linux 6.13 a tick lasts up to 10 ms).
"""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, TypeAlias, cast

from anchor.base.digests import (
    CHUNK_BYTES,
    SHA256,
    SM3,
    Digests,
    digest_bytes,
    digest_stream,
    parse_algorithms,
)
from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.system.ordered_tasks import run_in_order
from anchor.base.system.os_errors import describe_os_error, explain_os_error
from anchor.base.system.regular_files import open_regular_file
from anchor.evidence.discovery import (
    PASS_FOLDER,
    Discovered,
    IntakeProblem,
    Skipped,
    SourceFile,
    describe_error,
    describe_mode,
    open_guarded,
)

# Measured on 20,000 files of 4 KiB, SHA-256 alone and one worker: 7,300 files/s with one file a
# task, 20,700 with 16, 27,600 with 64, 30,700 with 256, and no more with 1,024.
BATCH_FILES = 256
# Some 15 ms of work with both digests: far above a task's overhead (0.1 ms), yet a short wait.
BATCH_BYTES = 4 * CHUNK_BYTES
# A file of one chunk gains nothing from streaming: it is read with one call and no spare buffer.
_WHOLE_BYTES = CHUNK_BYTES
# Seconds between two reports of progress within large files.
_TELL_SECONDS = 0.25

# O_NONBLOCK: a FIFO that replaced the file would otherwise block the open for ever.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK

_CHANGED = Message("file-changed-while-read")


FileIdentity: TypeAlias = tuple[int, int]
"""The identity of a file under any name: its device and inode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigest:
    """A file and its digests."""

    source: SourceFile
    digests: Digests


Result: TypeAlias = FileDigest | IntakeProblem | Skipped


def hash_sources(
    sources: Iterable[Discovered],
    algorithms: Iterable[str],
    *,
    executor: Executor,
    on_done: Callable[[int, int], None] | None = None,
    untouched: Mapping[FileIdentity, Message] = MappingProxyType({}),
) -> Generator[Result, None, None]:
    """Digest ``sources`` on ``executor``; yield the results in the order of the sources.

    An `IntakeProblem` or `Skipped` among the sources is passed through at its place. A file in
    ``untouched`` is not even opened: its result is a `Skipped` with the reason given. A file
    that changes while it is read is read once more before it becomes an `IntakeProblem`.
    ``on_done(files, bytes)`` is called in the caller's thread with the files and bytes that each
    finished task adds and, if the workers are threads, four times a second with the bytes newly
    read from large files. When the generator is closed early, also by KeyboardInterrupt, waiting
    tasks are cancelled and threads stop at their next read.
    """
    chosen = parse_algorithms(algorithms)
    # Only threads share an event; worker processes receive a terminal's Ctrl-C themselves.
    stop = threading.Event() if isinstance(executor, ThreadPoolExecutor) else None
    read = None if stop is None or on_done is None else _Read()
    tasks = run_in_order(
        _split_batches(sources, untouched),
        lambda batch: executor.submit(_hash_batch, batch, chosen, stop, read),
    )
    try:
        with closing(tasks):
            for _, task in tasks:
                yield from _collect(task, on_done, read)
    finally:
        if stop is not None:
            stop.set()


def digest_file(
    file: Path,
    *,
    hint: Message | None = None,
    on_read: Callable[[int], None] | None = None,
) -> Digests:
    """Digest a file with every algorithm a record can hold.

    ``hint`` is the hint of the error if the file is missing.  ``on_read`` is called with the number
    of bytes of each chunk that was read.
    """
    try:
        descriptor = open_regular_file(file)
    except FileNotFoundError as error:
        raise UsageError(
            Message("evidence-file-missing", path=file), hint=hint, path=file
        ) from error
    except OSError as error:
        raise explain_os_error(
            Message("file-unreadable", path=file), error, is_named=True
        ) from error
    try:
        with open(descriptor, "rb") as stream:
            return digest_stream(stream, (SHA256, SM3), on_read=on_read)
    except OSError as error:  # it could be opened, so the file is at fault, not this machine
        raise UsageError(
            Message("file-read-failed", path=file, reason=describe_os_error(error)), path=file
        ) from error


def hash_stdin(stream: BinaryIO, algorithms: Iterable[str]) -> Digests:
    """Digest the data on standard input.

    Raises:
        UnknownVersionError: An algorithm is not known or cannot be computed on this machine.
    """
    try:
        return digest_stream(stream, algorithms)
    except OSError as error:
        raise UsageError(Message("stdin-read-failed", reason=describe_error(error))) from error


def _split_batches(
    sources: Iterable[Discovered], untouched: Mapping[FileIdentity, Message]
) -> Iterator[tuple[Discovered, ...]]:
    batch: list[Discovered] = []
    size = 0
    for source in sources:
        # An estimate of the bytes to read; only the division into batches depends on it.
        expected, reason = 0, None
        status = source.look() if isinstance(source, SourceFile) else None
        if status is not None:
            reason = untouched.get((status.st_dev, status.st_ino))
            expected = 0 if reason is not None else status.st_size
        if batch and (len(batch) >= BATCH_FILES or size + expected > BATCH_BYTES):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(source if reason is None else Skipped(path=source.path, reason=reason))
        size += expected
    if batch:
        yield tuple(batch)


def _collect(
    task: Future[list[Result]], on_done: Callable[[int, int], None] | None, read: _Read | None
) -> Iterator[Result]:
    while on_done is not None and read is not None and not wait((task,), _TELL_SECONDS).done:
        on_done(0, read.take())
    results = task.result()
    if on_done is not None:
        sizes = [result.digests.size or 0 for result in results if isinstance(result, FileDigest)]
        if read is None:
            on_done(len(results), sum(sizes))
        else:  # larger files were reported while they were read
            small = sum(size for size in sizes if size <= _WHOLE_BYTES)
            on_done(len(results), small + read.take())
    yield from results


class _Read:
    """A thread-safe count of the bytes read from large files since the last ``take``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self, count: int) -> None:
        with self._lock:
            self._count += count

    def take(self) -> int:
        with self._lock:
            count, self._count = self._count, 0
        return count


def _hash_batch(
    batch: tuple[Discovered, ...],
    algorithms: tuple[str, ...],
    stop: threading.Event | None,
    read: _Read | None,
) -> list[Result]:
    """Digest one task's sources in order; this function runs on a worker."""
    task = _Task(algorithms, stop, read)
    try:
        return [task.hash(each) if isinstance(each, SourceFile) else each for each in batch]
    finally:
        task.close()


class _Task:
    """Digests files one after the other, keeping the last folder open for the next file."""

    def __init__(
        self, algorithms: tuple[str, ...], stop: threading.Event | None, read: _Read | None
    ) -> None:
        self._algorithms = algorithms
        self._stop = stop
        self._read = read
        self._folder = -1
        # The key of the open folder: its parts and how many of them are guarded.
        self._folder_key: tuple[tuple[str, ...], int] | None = None

    def close(self) -> None:
        if self._folder_key is not None:
            self._folder_key = None
            os.close(self._folder)

    def hash(self, source: SourceFile) -> FileDigest | IntakeProblem:
        try:
            hashed = self._hash_once(source) or self._hash_once(source)
        except (OSError, ValueError) as error:
            return IntakeProblem(
                path=source.path, reason=Message("path-complaint", reason=describe_error(error))
            )
        return hashed or IntakeProblem(path=source.path, reason=_CHANGED)

    def _hash_once(self, source: SourceFile) -> FileDigest | IntakeProblem | None:
        """Digest a file, or return None if it changed meanwhile."""
        descriptor = self._open(source)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                return IntakeProblem(
                    path=source.path,
                    reason=Message("path-complaint", reason=describe_mode(before.st_mode)),
                )
            digests = self._read_digests(descriptor, before.st_size)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if digests is None or digests.size != before.st_size or _stamp(before) != _stamp(after):
            return None
        return FileDigest(source=source, digests=digests)

    def _open(self, source: SourceFile) -> int:
        _check_stop(self._stop)
        parts = source.path.parts
        if source.guarded < 2 or len(parts) < 2:
            return open_guarded(parts, source.guarded, _READ)
        key = (parts[:-1], source.guarded - 1)
        if self._folder_key != key:
            self.close()
            self._folder = open_guarded(*key, PASS_FOLDER)
            self._folder_key = key
        return os.open(parts[-1], _READ | os.O_NOFOLLOW, dir_fd=self._folder)

    def _read_digests(self, descriptor: int, size: int) -> Digests | None:
        """Digest an open file that should hold ``size`` bytes; None if it holds more."""
        if size <= _WHOLE_BYTES:
            # One byte more is requested: getting exactly ``size`` shows that the end was reached.
            data = os.read(descriptor, size + 1)
            if len(data) == size:
                return digest_bytes(data, self._algorithms)
            # Too much, or a file system that returns less than requested: read it in chunks.
            os.lseek(descriptor, 0, os.SEEK_SET)
        with _Stoppable(descriptor, self._stop, self._read) as stream:
            try:
                return digest_stream(cast(BinaryIO, stream), self._algorithms, limit=size)
            except UsageError:
                return None


class _Stoppable(io.FileIO):
    """An open file whose reads raise an error once its digest is no longer needed."""

    def __init__(self, descriptor: int, stop: threading.Event | None, read: _Read | None) -> None:
        super().__init__(descriptor, closefd=False)
        self._stop = stop
        self._read = read

    def readinto(self, buffer: Any, /) -> int | None:
        _check_stop(self._stop)
        count = super().readinto(buffer)
        if self._read is not None:
            self._read.add(count or 0)
        return count


def _check_stop(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
