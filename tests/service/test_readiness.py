"""`/readyz` rests on a committed write, one a second however many ask."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from support.store_contents import count_pieces

from anchor.base.errors import StorageError, StoreAwayError
from anchor.service import readiness
from anchor.service.problems import Problem
from anchor.service.readiness import Readiness
from anchor.store.database import Database, create_database, open_database
from anchor.store.location import StoreLocation


class Counted:
    """A store of which each write is counted, and may fail or hang."""

    def __init__(self, work: Callable[[], None] = lambda: None) -> None:
        self.writes = 0
        self._work = work

    def check_room(self, _size: int) -> None:
        pass

    def try_writing(self) -> None:
        self.writes += 1
        self._work()

    def check_same(self) -> None:
        pass


def readiness_of(store: Any, clock: Callable[[], float] = time.monotonic) -> Readiness:
    return Readiness(cast(Database, store), lambda: None, clock)


def test_a_flood_of_health_checks_is_one_write_a_second():
    store, now = Counted(lambda: time.sleep(0.05)), [100.0]
    ready = readiness_of(store, lambda: now[0])

    async def flood() -> None:
        await asyncio.gather(*(ready.check() for _ in range(500)))
        await asyncio.gather(*(ready.check() for _ in range(500)))
        assert store.writes == 1
        now[0] += 1.0
        await asyncio.gather(*(ready.check() for _ in range(500)))
        assert store.writes == 2
        await ready.stop()

    asyncio.run(flood())


def test_a_write_that_fails_is_told_and_tried_again_a_second_later():
    failing, now = [True], [0.0]

    def work() -> None:
        if failing[0]:
            raise StoreAwayError("Read-only file system")

    store = Counted(work)
    ready = readiness_of(store, lambda: now[0])

    async def look() -> None:
        for _ in range(3):
            with pytest.raises(StorageError):
                await ready.check()
        failing[0] = False
        with pytest.raises(StorageError):  # still the answer of this second
            await ready.check()
        now[0] += 1.0
        await ready.check()
        await ready.stop()

    asyncio.run(look())
    assert store.writes == 2


def test_a_store_that_hangs_is_not_ready_and_is_not_asked_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readiness, "_PATIENCE", 0.05)
    released = threading.Event()
    store = Counted(lambda: cast(None, released.wait(30)))
    ready = readiness_of(store, iter(range(1_000)).__next__)

    async def look() -> None:
        for _ in range(3):
            with pytest.raises(Problem) as caught:
                await ready.check()
            assert caught.value.status == 503
        assert store.writes == 1
        released.set()
        await ready.stop()

    asyncio.run(look())


def test_a_write_that_fails_after_its_requests_is_not_logged_as_unretrieved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "_PATIENCE", 0.05)
    released = threading.Event()
    logged: list[dict[str, Any]] = []

    def work() -> None:
        assert released.wait(30)
        raise StoreAwayError("database is locked")

    ready = readiness_of(Counted(work))

    async def ask() -> int:
        try:
            await ready.check()
        except Problem as problem:
            return problem.status
        return 200

    async def look() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: logged.append(about))
        assert await ask() == 503
        released.set()
        await asyncio.wait({cast("asyncio.Future[None]", ready._trying)})
        ready._thread.shutdown()  # its frames refer to the future, too
        ready._trying = None
        gc.collect()

    asyncio.run(look())
    assert logged == []


def test_each_kind_of_store_is_written_and_holds_what_it_held(location: StoreLocation):
    create_database(location).close()
    database = open_database(location)
    for _ in range(3):
        database.try_writing()
    with database.read() as connection:
        assert count_pieces(connection) == 0
    database.close()


def test_a_write_reaches_the_disk(tmp_path: Any):
    """SQLite leaves out a change that changes nothing: the file's log has to grow."""
    from anchor.store.location import SqliteFile

    create_database(SqliteFile(tmp_path / "anchor.db")).close()
    database = open_database(SqliteFile(tmp_path / "anchor.db"))
    log, sizes = tmp_path / "anchor.db-wal", []
    for _ in range(3):
        database.try_writing()
        sizes.append(log.stat().st_size)
    assert 0 < sizes[0] < sizes[1] < sizes[2]
    database.close()
