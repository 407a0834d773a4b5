"""The rate is known at once, the time left once the total is."""

from __future__ import annotations

import pytest

from anchor.evidence.hashing_progress import HashingProgress


class Moments:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.moment = 100.0

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def clock() -> Moments:
    return Moments()


def test_the_rate_is_the_mean_since_the_beginning(clock: Moments) -> None:
    shown: list[int] = []
    progress = HashingProgress(lambda progress: shown.append(progress.size), clock)
    assert progress.rate == 0.0
    clock.moment += 4
    progress(1, 100)
    progress(2, 300)
    assert (progress.files, progress.rate, shown) == (3, 100.0, [100, 400])


def test_the_time_left_is_unknown_until_the_total_is_known(clock: Moments) -> None:
    progress = HashingProgress(lambda _: None, clock)
    clock.moment += 10
    progress(10, 1_000)
    assert (progress.seconds_left, progress.total_size) == (None, None)
    progress.expect(30, 2_000)
    # Twice as many files are left as were read, but only as many bytes.
    assert (progress.seconds_left, progress.total_size) == (20.0, 2_000)
    progress.expect(11, 5_000)
    assert progress.seconds_left == 40.0


def test_a_total_that_is_surpassed_or_unknown_leaves_no_negative_time(clock: Moments) -> None:
    progress = HashingProgress(lambda _: None, clock)
    progress.expect(4, 0)
    assert (progress.seconds_left, progress.total_size) == (None, None)
    clock.moment += 3
    progress(1, 50)
    assert progress.seconds_left == 9.0
    progress(9, 50)
    assert progress.seconds_left == 0.0
