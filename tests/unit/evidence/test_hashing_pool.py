"""Batches of files are digested by several workers, and come in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from support.evidence_files import (
    BOTH,
    change_while_read,
    find,
    hash_all,
    unprivileged,
    write,
)
from support.evidence_files import place as place

from anchor.base.digests import CHUNK_BYTES, SHA256, digest_bytes, digest_stream
from anchor.base.errors import UnknownVersionError, UsageError
from anchor.base.system.cores import count_usable_cores
from anchor.base.system.ordered_tasks import MAX_TASKS
from anchor.evidence import file_hashing
from anchor.evidence.discovery import Discovered, IntakeProblem, Skipped, SourceFile, find_sources
from anchor.evidence.file_hashing import (
    BATCH_BYTES,
    BATCH_FILES,
    FileDigest,
    hash_sources,
    hash_stdin,
)
from anchor.evidence.hashing_pool import open_executor

# A test here that hangs has found a bug: something waited for a FIFO, or went round in circles.


class _CountingExecutor(Executor):
    """Runs nothing until a result is asked for, and counts what is waiting."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        self.batches.append(len(arguments[0]))

        class Lazy(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                return call(*arguments, **named)

        return Lazy()


@pytest.mark.fault(
    "J1",
    how="sources without end",
    then="few are in memory at a time",
)
def test_few_tasks_exist_at_a_time_whatever_the_number_of_sources() -> None:
    taken = 0

    def endless() -> Iterator[Discovered]:
        nonlocal taken
        while True:
            taken += 1
            yield IntakeProblem(path=Path("x"), reason="bad")

    executor = _CountingExecutor()
    results = hash_sources(endless(), BOTH, executor=executor)
    next(results)
    assert taken <= (MAX_TASKS + 1) * BATCH_FILES + 1
    assert len(executor.batches) == MAX_TASKS
    for _ in range(20 * BATCH_FILES):
        next(results)
    assert taken <= (MAX_TASKS + 22) * BATCH_FILES
    results.close()  # type: ignore[attr-defined]


def test_the_workers_have_all_their_tasks_before_the_first_result_is_taken() -> None:
    """So they go on while the caller stores what it took."""

    class Quick(_CountingExecutor):
        def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
            done: Future[Any] = Future()
            done.set_result(super().submit(call, *arguments, **named).result())
            return done

    sources = [IntakeProblem(path=Path("x"), reason="bad")] * (2 * MAX_TASKS * BATCH_FILES)
    executor = Quick()
    results = hash_sources(sources, BOTH, executor=executor)
    next(results)
    assert len(executor.batches) == MAX_TASKS
    assert sum(1 for _ in results) == len(sources) - 1


def test_small_files_share_a_task_and_large_ones_have_their_own(place: Path) -> None:
    half = BATCH_BYTES // 2
    for n, size in enumerate([1, 1, BATCH_BYTES + 1, 1, half, half, 1, BATCH_BYTES + 1]):
        with write(f"top/{n}").open("wb") as file:
            file.truncate(size)
    executor = _CountingExecutor()
    list(hash_sources(find("top"), BOTH, executor=executor))
    assert executor.batches == [2, 1, 2, 2, 1]


def test_an_interrupt_cancels_the_tasks_that_wait(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3 * BATCH_FILES):
        write(f"top/{n}")
    reads = change_while_read(monkeypatch, place, lambda path: None, times=0)

    def interrupted() -> Iterator[Discovered]:
        yield from find("top")
        raise KeyboardInterrupt

    gate = threading.Event()
    with open_executor(1) as executor:
        executor.submit(gate.wait)
        try:
            with pytest.raises(KeyboardInterrupt):
                list(hash_sources(interrupted(), BOTH, executor=executor))
        finally:
            gate.set()
    assert reads == []


def test_tasks_of_any_executor_are_cancelled_when_the_caller_stops(place: Path) -> None:
    class Waiting(Executor):
        def __init__(self) -> None:
            self.tasks: list[Future[Any]] = []

        def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
            self.tasks.append(Future())
            return self.tasks[-1]

    def interrupted() -> Iterator[Discovered]:
        for _ in range(5 * BATCH_FILES):
            yield IntakeProblem(path=Path("x"), reason="bad")
        raise KeyboardInterrupt

    executor = Waiting()
    with pytest.raises(KeyboardInterrupt):
        list(hash_sources(interrupted(), BOTH, executor=executor))
    assert [task.cancelled() for task in executor.tasks] == [True] * 4


def test_a_large_file_is_not_read_to_its_end_when_nobody_waits(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write("large").open("wb") as file:
        file.truncate(64 * CHUNK_BYTES)
    started, closed = threading.Event(), threading.Event()
    chunks: list[int] = []

    class Watched:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def readinto(self, buffer: Any) -> int:
            count: int = self._stream.readinto(buffer)
            chunks.append(count)
            started.set()
            assert closed.wait(30)
            return count

    def streamed(stream: Any, algorithms: tuple[str, ...], *, limit: int | None = None) -> object:
        return digest_stream(cast(BinaryIO, Watched(stream)), algorithms, limit=limit)

    monkeypatch.setattr(file_hashing, "digest_stream", streamed)

    def sources() -> Iterator[Discovered]:
        yield from find("large")
        # The first task is handed over when the second begins.
        yield SourceFile(path=Path("large"), name="again")
        assert started.wait(30)
        raise KeyboardInterrupt

    with open_executor(2) as executor:
        with pytest.raises(KeyboardInterrupt):
            list(hash_sources(sources(), BOTH, executor=executor))
        closed.set()
    assert len(chunks) <= 2


def test_no_descriptor_stays_open(place: Path) -> None:
    write("top/a/1")
    write("top/b/2", bytes(BATCH_BYTES + 1))
    os.mkfifo("top/pipe")
    write("top/closed/x")
    (place / "top/closed").chmod(0o000)
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc here")
    before = sorted(os.listdir("/proc/self/fd"))
    with unprivileged():
        found = find("top", "gone")
        hash_all([*found, SourceFile(path=Path("top/pipe"), name="x", guarded=2)])
        hash_all([SourceFile(path=Path("top/a/gone"), name="x", guarded=3)])
    assert sorted(os.listdir("/proc/self/fd")) == before


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[list[str]]:
    """Note each call of ``os`` by its name and the last component of what it is about."""
    calls: list[str] = []
    opened: dict[int, str] = {}

    def patch(name: str) -> None:
        real = getattr(os, name)

        def call(target: Any, *arguments: Any, **options: Any) -> Any:
            base = opened.get(target) if isinstance(target, int) else os.path.basename(target)
            calls.append(f"{name} {os.fsdecode(base or '')}")
            result = real(target, *arguments, **options)
            if name == "open":
                opened[result] = str(base)
            return result

        context.setattr(os, name, call)

    with monkeypatch.context() as context:
        for name in names:
            patch(name)
        yield calls


def test_a_file_is_opened_once_and_its_status_asked_for_three_times(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once to find it, and before and after it is read: the two that show an exchange stay."""
    write("alone.txt")
    write("folder/below.txt")
    with counting(monkeypatch, "stat", "lstat", "fstat", "open") as calls:
        results = list(
            hash_sources(
                find_sources([Path("alone.txt"), Path("folder")], follow_symlinks=False),
                BOTH,
                executor=open_executor(1),
            )
        )
    assert all(isinstance(result, FileDigest) for result in results)
    about = {name: [call for call in calls if call.endswith(f" {name}")] for name in
             ("alone.txt", "below.txt")}  # fmt: skip
    assert about["alone.txt"] == [
        "lstat alone.txt", "open alone.txt", "fstat alone.txt", "fstat alone.txt"
    ]  # fmt: skip
    assert about["below.txt"] == [
        "stat below.txt", "open below.txt", "fstat below.txt", "fstat below.txt"
    ]  # fmt: skip


def test_what_is_not_to_be_touched_is_not_even_opened(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = write("store.db").stat()
    os.link("store.db", "another name.db")
    untouched = {(status.st_dev, status.st_ino): "it is ours"}
    with counting(monkeypatch, "open") as calls:
        results = hash_all(find("."), untouched=untouched)
    assert results == [
        Skipped(path=Path(name), reason="it is ours") for name in ("another name.db", "store.db")
    ]
    assert not [call for call in calls if call.endswith(".db")]


def test_an_unknown_algorithm_is_the_callers_error_not_a_problem(place: Path) -> None:
    with open_executor(1) as executor, pytest.raises(UnknownVersionError):
        list(hash_sources(find("."), [SHA256, "md5"], executor=executor))


def test_standard_input_is_digested_and_its_failure_is_one_sentence(place: Path) -> None:
    assert hash_stdin(BytesIO(b"abc"), BOTH) == digest_bytes(b"abc", BOTH)
    descriptor = os.open(place, os.O_RDONLY)

    class Folder:
        def readinto(self, buffer: Any) -> int:
            return len(os.read(descriptor, 1))

    try:
        with pytest.raises(UsageError, match="standard input cannot be read: Is a directory"):
            hash_stdin(cast(BinaryIO, Folder()), BOTH)
    finally:
        os.close(descriptor)


def test_a_pool_has_as_many_threads_as_asked_for_or_usable_cores() -> None:
    assert count_usable_cores() >= 1
    for workers, expected in ((3, 3), (None, count_usable_cores())):
        with open_executor(workers) as executor:
            assert executor._max_workers == expected
    for workers in (0, -1):
        with pytest.raises(UsageError, match="at least 1"):
            open_executor(workers)
