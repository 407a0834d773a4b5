"""Bytes are read no faster than the limit, and idle time is not saved up."""

from __future__ import annotations

import pytest

from anchor.base.errors import UsageError
from anchor.cli.options import parse_rate
from anchor.objects.bandwidth import BandwidthLimit


def test_the_rate_is_kept_over_any_sequence() -> None:
    clock, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    limit = BandwidthLimit(100.0, monotonic=lambda: clock[0], sleep=sleep)
    for count in (50, 100, 0, 250):
        limit.take(count)
    assert clock[0] == 4.0
    clock[0] += 10  # idle
    limit.take(100)
    assert clock[0] == 15.0
    assert 0.0 not in waits


@pytest.mark.parametrize(
    ("text", "rate"), [("1", 1), ("500K", 500_000), ("20MB/s", 2e7), ("3GiB", 3e9), (" 7m ", 7e6)]
)
def test_a_rate_is_read(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5M", "M", "fast", "1T", "9999999999"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a number of bytes a second"):
        parse_rate(text)
