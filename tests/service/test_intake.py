"""The thread that writes: who goes first, and what becomes of those whose transaction fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.stores import NOW, make_item

from anchor.base.errors import (
    SideFileHeldError,
    StorageError,
    StoreAwayError,
    StoreBusyError,
)
from anchor.service import write_queue as module
from anchor.service.write_queue import Job, WriteQueue
from anchor.store import acknowledged_log, sqlite
from anchor.store.acknowledged_log import SideFile
from anchor.store.api_keys import Quota
from anchor.store.columns import NewEvidence
from anchor.store.database import Database, create_database, open_database
from anchor.store.evidence import load_all
from anchor.store.location import SqliteFile, StoreLocation
from anchor.store.new_pieces import Admitted

NO_LIMITS = Quota(per_day=None, per_minute=None)


class Ended:
    """Counts how often the process was to end."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anchor.db"


@pytest.fixture
def store(path: Path) -> Iterator[Database]:
    created = create_database(SqliteFile(path))
    yield created
    created.close()


def run(
    store: Database, work: Callable[[WriteQueue], Awaitable[None]], ended: Ended | None = None
) -> None:
    async def main() -> None:
        queue = WriteQueue(store, lambda: NOW, ended or Ended())
        queue.start()
        try:
            await work(queue)
        finally:
            await asyncio.to_thread(queue.stop)

    asyncio.run(main())


def single(number: int, tenant: str = "one") -> Job:
    return Job(tenant, NO_LIMITS, [make_item(number)])


def bulk(*numbers: int) -> Job:
    return Job("bulk", NO_LIMITS, [make_item(number) for number in numbers], is_bulk=True)


def stored(store: Database) -> list[bytes]:
    with store.read() as connection:
        return [item.identity for item in load_all(connection)]


def identities(*numbers: int) -> list[bytes]:
    return [make_item(number).identity for number in numbers]


def test_who_comes_while_the_store_is_waited_for_goes_first(path: Path, store: Database) -> None:
    """Another process has its turn; a bulk part came first, but a single piece is written first."""
    other = open_database(SqliteFile(path))

    async def work(queue: WriteQueue) -> None:
        with other.write():
            waiting = [asyncio.ensure_future(queue.write(bulk(10, 11)))]
            await asyncio.sleep(0.1)
            waiting += [asyncio.ensure_future(queue.write(single(number))) for number in (1, 2)]
            await asyncio.sleep(0.05)
            assert not any(job.done() for job in waiting)
        await asyncio.gather(*waiting)

    run(store, work)
    other.close()
    assert stored(store) == identities(1, 2, 10, 11)


def test_single_pieces_that_come_and_come_keep_no_bulk_part_waiting(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is written the next one comes, and the bulk part with the first of them."""
    monkeypatch.setattr(module, "_IN_A_ROW", 3)
    original = module.admit
    order: list[list[bool]] = []

    async def work(queue: WriteQueue) -> None:
        loop = asyncio.get_running_loop()
        jobs, part = [single(number) for number in range(20)], bulk(30, 31)
        coming = iter(jobs[1:])
        waiting = [asyncio.ensure_future(queue.write(jobs[0]))]

        async def bring(job: Job) -> None:
            waiting.append(asyncio.ensure_future(queue.write(job)))
            await asyncio.sleep(0)

        def admit_while_others_come(*arguments: Any, **options: Any) -> Any:
            if not order:
                asyncio.run_coroutine_threadsafe(bring(part), loop).result()
            if job := next(coming, None):
                asyncio.run_coroutine_threadsafe(bring(job), loop).result()
            order.append([job.is_bulk for job in arguments[1]])
            return original(*arguments, **options)

        monkeypatch.setattr(module, "admit", admit_while_others_come)
        async with asyncio.timeout(60):
            while len(order) < 20:
                await asyncio.sleep(0.01)
        await asyncio.gather(*waiting)

    run(store, work)
    assert order == [*[[False]] * 3, [True], [False] * 2, *[[False]] * 15]


def test_jobs_without_room_are_refused_and_the_next_are_not(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ended()

    async def work(queue: WriteQueue) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(sqlite, "RESERVE", 1 << 62)
            with pytest.raises(StorageError, match="MiB left"):
                await queue.write(single(1))
        await queue.write(single(2))

    run(store, work, ended)
    assert stored(store) == identities(2)
    assert ended.count == 0


def test_one_that_cannot_be_written_takes_none_with_it(path: Path, store: Database) -> None:
    other = open_database(SqliteFile(path))
    nothing: Any = None
    broken = make_item(2)._replace(source=nothing)  # which no run can hold

    async def work(queue: WriteQueue) -> None:
        with other.write():  # so that they come into one transaction
            jobs = [single(1), Job("one", NO_LIMITS, [broken]), single(3, tenant="another")]
            waiting = [asyncio.ensure_future(queue.write(job)) for job in jobs]
            await asyncio.sleep(0.1)
        first, second, third = await asyncio.gather(*waiting, return_exceptions=True)
        assert first == third == [Admitted(is_new=True, leaf_index=None)]
        assert isinstance(second, AttributeError)

    run(store, work)
    other.close()
    assert sorted(stored(store)) == sorted(identities(1, 3))


def test_all_who_wait_are_told_when_the_store_is_never_ours(
    path: Path, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, and not one after the other, each as long again."""
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 300)
    other = open_database(SqliteFile(path))
    ended = Ended()

    async def work(queue: WriteQueue) -> None:
        with other.write():
            waiting = [asyncio.ensure_future(queue.write(single(number))) for number in range(300)]
            async with asyncio.timeout(45):  # half of what they would wait one after the other
                answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(answer) for answer in answers} == {StoreBusyError}
        await queue.write(single(300))

    run(store, work, ended)
    other.close()
    assert stored(store) == identities(300)
    assert ended.count == 0


def test_a_worker_ends_when_it_is_not_known_what_was_written(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ended()

    def fails(*_arguments: object, **_options: object) -> None:
        raise StorageError("disk I/O error")

    async def work(queue: WriteQueue) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(module, "admit", fails)
            with pytest.raises(StorageError, match="disk I/O error"):
                await queue.write(single(1))

    run(store, work, ended)
    assert ended.count == 1


def test_a_store_that_cannot_be_locked_is_told_and_the_worker_goes_on(
    store: Database, path: Path
) -> None:
    """Nothing was begun: a worker that ended for it would only be started again."""
    ended = Ended()
    lock = path.with_name("anchor.db-turn.lock")

    async def work(queue: WriteQueue) -> None:
        lock.unlink(missing_ok=True)
        lock.mkdir()
        with pytest.raises(StoreAwayError):
            await queue.write(single(1))
        lock.rmdir()
        await queue.write(single(1))

    run(store, work, ended)
    assert ended.count == 0
    assert stored(store) == identities(1)


def test_a_side_file_that_takes_nothing_is_told_and_the_worker_goes_on(path: Path) -> None:
    """It is tried by `/readyz`, too: else a worker would be ready, and end with each submission."""
    side = path.with_name("acknowledged.log")
    create_database(SqliteFile(path)).close()
    noting = open_database(SqliteFile(path), SideFile(side))
    ended = Ended()

    async def work(queue: WriteQueue) -> None:
        noting.try_writing()
        side.unlink(missing_ok=True)
        side.mkdir()
        with pytest.raises(StorageError, match="cannot be read or written"):
            noting.try_writing()
        with pytest.raises(StorageError, match="cannot be read or written"):
            await queue.write(single(1))
        assert stored(noting) == []
        side.rmdir()
        noting.try_writing()
        await queue.write(single(1))

    run(noting, work, ended)
    assert ended.count == 0
    assert stored(noting) == identities(1)
    assert len(list(SideFile(side).read_entries())) == 1
    noting.close()


def test_all_who_wait_are_told_once_when_another_process_holds_the_side_file(
    location: StoreLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`anchor erase` may rewrite it for long: each would wait as long again, after the others."""
    monkeypatch.setattr(acknowledged_log, "_PATIENCE", 0.3)
    create_database(location).close()
    side = SideFile(tmp_path / "side")
    noting = open_database(location, SideFile(side.path))

    async def work(queue: WriteQueue) -> None:
        with side._locked():
            waiting = [asyncio.ensure_future(queue.write(single(number))) for number in range(300)]
            async with asyncio.timeout(45):  # half of what they would wait one after the other
                answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(answer) for answer in answers} == {SideFileHeldError}
        await queue.write(single(300))

    run(noting, work)
    assert stored(noting) == identities(300)
    noting.close()


def test_what_was_given_is_written_before_the_end(store: Database) -> None:
    async def work(queue: WriteQueue) -> None:
        jobs = [asyncio.ensure_future(queue.write(single(number))) for number in range(5)]
        jobs.append(asyncio.ensure_future(queue.write(bulk(5, 6))))
        await asyncio.sleep(0)
        await asyncio.to_thread(queue.stop)
        await asyncio.gather(*jobs)
        with pytest.raises(StorageError, match="stopping"):
            await queue.write(single(9))

    run(store, work)
    assert stored(store) == identities(*range(7))


def test_parts_grow_while_the_store_is_fast_and_shrink_when_it_is_slow(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def items(start: int, count: int) -> list[NewEvidence]:
        return [make_item(number) for number in range(start, start + count)]

    async def work(queue: WriteQueue) -> None:
        sizes = [queue.chunk]
        for target in (10.0, 1e-6, 1e-6):
            monkeypatch.setattr(module, "_TARGET", target)
            job = Job("bulk", NO_LIMITS, items(1_000 * len(sizes), queue.chunk), is_bulk=True)
            await queue.write(job)
            sizes.append(queue.chunk)
        assert sizes[0] == module.LEAST_CHUNK
        assert sizes[1] == module.MOST_CHUNK
        assert sizes[1] > sizes[2] > sizes[3] > module.LEAST_CHUNK

    run(store, work)
