"""Durations, times and counts of leaves are messages, with the units of each language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from anchor.base.messages.message import translate
from anchor.base.units import (
    format_age,
    format_duration,
    format_leaves,
    format_moment,
    format_timestamp,
)


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    (
        (-5, "0 s", "0 秒"),
        (59.4, "59 s", "59 秒"),
        (61, "1 min 1 s", "1 分钟 1 秒"),
        (3_600, "1 h", "1 小时"),
        (3_605, "1 h", "1 小时"),
        (90_000, "1 d 1 h", "1 天 1 小时"),
        (86_400 * 1_000, "1,000 d", "1,000 天"),
    ),
)
def test_a_duration_is_its_two_largest_units(seconds: float, english: str, chinese: str) -> None:
    duration = format_duration(seconds)
    assert (duration, translate(duration, "zh")) == (english, chinese)


def test_an_age_has_the_duration_in_its_own_language() -> None:
    age = format_age(1_000, 940)
    assert (age, translate(age, "zh")) == ("1 min ago", "1 分钟前")


@pytest.mark.parametrize(
    ("count", "english", "chinese"),
    ((0, "0 leaves", "0 片叶"), (1, "1 leaf", "1 片叶"), (1_000, "1,000 leaves", "1,000 片叶")),
)
def test_leaves_are_counted(count: int, english: str, chinese: str) -> None:
    leaves = format_leaves(count)
    assert (leaves, translate(leaves, "zh")) == (english, chinese)


def test_a_time_is_in_utc_and_for_chinese_readers_in_beijing_as_well() -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    for moment in (
        format_timestamp(1_790_000_252.9),
        format_moment(datetime(2026, 9, 21, 19, 47, 32, tzinfo=kolkata)),
    ):
        assert moment == "2026-09-21 14:17:32 UTC"
        assert translate(moment, "zh") == "北京时间 2026-09-21 22:17:32（2026-09-21 14:17:32 UTC）"


def test_a_time_whose_year_in_beijing_has_five_digits_is_in_utc_only() -> None:
    last = format_moment(datetime(9999, 12, 31, 16, 0, 0, tzinfo=UTC))
    assert translate(last, "zh") == "9999-12-31 16:00:00 UTC"
    before = format_moment(datetime(9999, 12, 31, 15, 59, 59, tzinfo=UTC))
    assert translate(before, "zh").startswith("北京时间 9999-12-31 23:59:59")
