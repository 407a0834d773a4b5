"""The rules of retention dates: nothing is erased early, unannounced, or against what beats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.records import build_record

from anchor.base.canonical import JsonValue
from anchor.base.digests import Digests
from anchor.base.system.clock import format_unix_time, parse_time
from anchor.evidence.retention import (
    NOTICE_DAYS,
    RetentionFacts,
    erasure_time,
    find_beater,
    format_moment,
    plan_step,
    read_retention,
    states_hold,
)

DAY = 86_400


def make_group_record(statements: Mapping[str, JsonValue]) -> bytes:
    return build_record(
        digests=Digests(sha256=bytes(32), sm3=None, size=None), name="a", media_type=None,
        salt=bytes(32), recorded_at=datetime(2026, 1, 2, tzinfo=UTC), statements=statements,
    ).encoded  # fmt: skip


FREE = RetentionFacts(
    is_held=False, states_hold=False, is_exhibit=False, is_audit_trail=False,
    is_kept_elsewhere=False,
)  # fmt: skip
SECONDS = st.integers(0, 4 * 10**9)


@given(SECONDS, st.integers(0, 3_650), st.lists(st.integers(1, 400 * DAY), max_size=40))
def test_erasure_comes_after_date_grace_and_all_notices(
    until: int, grace: int, pauses: list[int]
) -> None:
    date, erased_from = format_unix_time(until), until + grace * DAY
    told, told_at, at = 0, None, float(max(0, until - 100 * DAY))
    for pause in pauses:
        at += pause
        step = plan_step(date, told=told, told_at=told_at, grace_days=grace, at=at)
        if step.action == "erase":
            assert at >= erased_from and told == len(NOTICE_DAYS) and told_at is not None
            assert at >= parse_time(told_at) + NOTICE_DAYS[-1] * DAY
            return
        if step.action == "tell":
            assert at >= erased_from - NOTICE_DAYS[step.told - 1] * DAY and step.told > told
            told, told_at = step.told, format_unix_time(at)
        else:
            # It is never looked at again and again, and not later than something is due.
            assert step.next_at > at
            later = plan_step(date, told=told, told_at=told_at, grace_days=grace, at=step.next_at)
            assert later.action != "wait"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_no_date_is_out_of_range(time: str) -> None:
    step = plan_step(time, told=2, told_at=time, grace_days=3_650, at=2e9)
    assert format_moment(step.next_at) <= "9999-12-31T23:59:59.999Z"
    assert format_moment(erasure_time(time, 3_650)) <= "9999-12-31T23:59:59.999Z"


def test_each_fact_beats_an_erasure() -> None:
    assert find_beater(FREE) is None
    assert find_beater(replace(FREE, is_held=True)) == "hold"
    assert find_beater(replace(FREE, states_hold=True)) == "record-hold"
    assert find_beater(replace(FREE, is_exhibit=True)) == "case"
    assert find_beater(replace(FREE, is_audit_trail=True)) == "audit-trail"
    assert find_beater(replace(FREE, is_kept_elsewhere=True)) == "shared"


def test_what_a_record_says_is_read_from_its_bytes() -> None:
    stated = {"retention_until": "2036-01-02T03:04:05Z"}
    assert read_retention(make_group_record(stated)) == "2036-01-02T03:04:05.000Z"
    assert read_retention(make_group_record({})) is None
    assert read_retention(make_group_record({"retention_until": "soon"})) is None
    assert states_hold(make_group_record({"legal_hold": "Re Smith"}))
    assert not states_hold(make_group_record(stated))
