"""Times are spelled in both zones, and the moment of issue is one that can be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from anchor.base.errors import UsageError
from anchor.certificate.time_format import choose_moment, describe_time

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("2026-01-31T18:00:00Z", "北京时间 2026-02-01 02:00:00（2026-01-31 18:00:00 UTC）"),
        (
            "2026-01-31T18:00:00.999Z",
            "北京时间 2026-02-01 02:00:00（2026-01-31 18:00:00 UTC）",
        ),
        ("0001-01-01T00:00:00Z", "北京时间 1-01-01 08:00:00（1-01-01 00:00:00 UTC）"),
        ("9999-12-31T15:59:59Z", "北京时间 9999-12-31 23:59:59（9999-12-31 15:59:59 UTC）"),
        ("9999-12-31T23:59:59Z", "9999-12-31 23:59:59 UTC"),
    ],
)
def test_a_time_is_shown_in_both_zones(time: str, shown: str) -> None:
    assert describe_time(time) == shown


def test_without_a_name_it_is_now_to_the_second() -> None:
    moment = choose_moment(None, None, NOW)
    assert (moment.at, moment.clock) == (NOW.replace(microsecond=0), "machine")
    assert choose_moment(None, "", NOW) == moment


def test_the_option_goes_before_the_environment() -> None:
    moment = choose_moment("2026-01-31T08:00:00Z", "1", NOW)
    assert (moment.at, moment.clock) == (datetime(2026, 1, 31, 8, tzinfo=UTC), "given")
    assert choose_moment(None, "1769846400", NOW) == moment


@pytest.mark.parametrize(
    ("named", "epoch"),
    [
        (named, None)
        for named in (
            "", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T08:00:00+08:00", "now",
            "2026-01-31T24:00:00Z", "2026-01-31T08:00:00.5Z", "２０２６-01-31T08:00:00Z",
        )
    ]
    + [(None, epoch) for epoch in ("-1", "1.5", "0x10", "１", "9" * 12, "9" * 400, " 1")],
)  # fmt: skip
def test_what_is_no_time_is_refused(named: str | None, epoch: str | None) -> None:
    with pytest.raises(UsageError, match="is not a valid time") as caught:
        choose_moment(named, epoch, NOW)
    assert len(caught.value.message) < 100


@pytest.mark.parametrize("named", ["2026-03-01T12:00:01Z", "9999-12-31T23:59:59Z"])
def test_the_future_is_refused(named: str) -> None:
    with pytest.raises(UsageError, match="later than now"):
        choose_moment(named, None, NOW)
    choose_moment("2026-03-01T12:00:00Z", None, NOW)
