"""Tasks begin a few at a time, and their results come in order."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest

from anchor.base.system.ordered_tasks import run_in_order


def test_results_come_in_order_however_long_a_task_takes() -> None:
    first: Future[int] = Future()

    def compute(number: int) -> int:
        if number == 3:
            first.set_result(0)
        return number

    with ThreadPoolExecutor(2) as threads:
        tasks = run_in_order(
            range(9), lambda number: threads.submit(compute, number) if number else first, 4
        )
        assert [(number, task.result()) for number, task in tasks] == [(n, n) for n in range(9)]


def test_an_argument_is_drawn_once_a_result_was_taken() -> None:
    drawn: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            drawn.append(len(drawn))
            yield drawn[-1]

    with closing(run_in_order(endless(), lambda _: Future[None](), 3)) as tasks:
        for taken in range(5):
            next(tasks)
            assert len(drawn) == taken + 3


@pytest.mark.parametrize("is_failure", [False, True])
def test_tasks_that_wait_are_cancelled(is_failure: bool) -> None:
    begun: list[Future[None]] = []

    def arguments() -> Iterator[int]:
        yield from range(4)
        if is_failure:
            raise ValueError
        yield 4

    def submit(_: int) -> Future[None]:
        begun.append(Future())
        return begun[-1]

    tasks = run_in_order(arguments(), submit, 5)
    if is_failure:
        with pytest.raises(ValueError):
            next(tasks)
    else:
        next(tasks)
        tasks.close()
    assert [task.cancelled() for task in begun] == [is_failure, *[True] * (len(begun) - 1)]
