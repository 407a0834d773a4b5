"""Durations and counts of leaves are messages, with the units of each language."""

from __future__ import annotations

import pytest

from anchor.messages.message import translate
from anchor.units import format_age, format_duration, format_leaves


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
