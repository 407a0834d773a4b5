"""Jobs are ordered with what needs them, taken by one worker at a time, and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import Connection, func, select
from support.stores import NOW

from anchor.store.database import Database, create_database
from anchor.store.jobs import TakenJob, finish_job, is_due, order_job, put_off_job, take_job
from anchor.store.location import StoreLocation
from anchor.store.schema import jobs

KINDS = ("certificate",)
LATER, LAST = "2026-01-01T00:00:30.000Z", "2026-01-01T00:01:00.000Z"


@pytest.fixture
def store(location: StoreLocation) -> Iterator[Database]:
    with closing(create_database(location)) as created:
        yield created


def order(database: Database, *abouts: str, due_at: str = NOW) -> None:
    with database.write() as connection:
        for about in abouts:
            order_job(connection, "certificate", about, due_at=due_at)


def take(database: Database, at: str = NOW, until: str = LATER) -> TakenJob | None:
    return database.write_with_retry(
        lambda connection: take_job(connection, KINDS, at=at, until=until)
    )


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(jobs)).scalar_one()


def test_a_job_is_neither_ordered_nor_done_without_its_transaction(store: Database) -> None:
    def fail(connection: Connection) -> None:
        order_job(connection, "certificate", "a", due_at=NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write_with_retry(fail)
    assert take(store) is None
    order(store, "a")
    job = take(store)
    assert job is not None

    def fail_to_record(connection: Connection) -> None:
        assert finish_job(connection, job)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write_with_retry(fail_to_record)
    assert count(store) == 1


def test_the_job_that_is_due_longest_is_taken_first_and_by_one_worker(store: Database) -> None:
    order(store, "later", due_at=LATER)
    order(store, "a", "b")
    with store.read() as connection:
        assert is_due(connection, KINDS, NOW)
        assert not is_due(connection, ("mail",), NOW)
    taken = [take(store), take(store), take(store)]
    assert [job and job.about for job in taken] == ["a", "b", None]


def test_a_worker_that_lost_its_job_can_neither_finish_it_nor_put_it_off(store: Database) -> None:
    order(store, "a")
    slow, other = take(store), take(store, at=LATER, until=LAST)
    assert slow is not None
    assert other is not None
    assert (slow.attempts, other.attempts) == (1, 2)
    with store.write() as connection:
        assert not finish_job(connection, slow)
        assert not put_off_job(connection, slow, due_at=NOW)
        assert put_off_job(connection, other, due_at=NOW)
    again = take(store)
    assert again is not None
    with store.write() as connection:
        assert finish_job(connection, again)
        assert not finish_job(connection, again)
    assert count(store) == 0


def test_a_worker_that_lost_its_job_does_not_end_a_new_one_with_its_number(
    store: Database,
) -> None:
    order(store, "a")
    slow, other = take(store), take(store, at=LATER, until=LAST)
    assert slow is not None
    assert other is not None
    with store.write() as connection:
        assert finish_job(connection, other)
    order(store, "b")  # to which SQLite gives the number of the one that is done
    new = take(store)
    assert new is not None
    assert new.attempts == slow.attempts
    with store.write() as connection:
        assert not finish_job(connection, slow)
        assert not put_off_job(connection, slow, due_at=LAST)
        assert finish_job(connection, new)


def test_eight_workers_take_each_job_once(store: Database) -> None:
    order(store, *(str(number) for number in range(40)))

    def work(_: int) -> list[str]:
        abouts = []
        while (job := take(store)) is not None:
            abouts.append(job.about)
            with store.write() as connection:
                assert finish_job(connection, job)
        return abouts

    with ThreadPoolExecutor(8) as pool:
        abouts = [about for worker in pool.map(work, range(8)) for about in worker]
    assert sorted(abouts, key=int) == [str(number) for number in range(40)]
