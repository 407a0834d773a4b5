"""Who is told what by e-mail, when a delivery is tried again, and at which levels of a quota."""

from __future__ import annotations

import json

import pytest

from anchor.notifications.event_types import (
    NOTIFICATION_TYPES,
    OWNER_TOPICS,
    TOPICS,
    is_told_by_mail,
)
from anchor.notifications.message_body import MAX_BODY, describe_final, encode_message
from anchor.notifications.quota_levels import find_level
from anchor.notifications.retries import is_given_up, plan_retry
from anchor.people.lifetimes import later
from anchor.people.roles import ROLES

AT = "2026-01-01T00:00:00.000Z"
OWNERS_ONLY = ("retention", "member", "key", "quota", "webhook")
OWNERS = {event for event in NOTIFICATION_TYPES if event.partition(".")[0] in OWNERS_ONLY}


def test_whoever_never_chose_is_told_of_what_owners_must_know() -> None:
    for role in ROLES:
        told = {event for event in NOTIFICATION_TYPES if is_told_by_mail(role, event, None)}
        assert told == (OWNERS if role == "owner" else set())


def test_a_choice_is_followed_as_far_as_the_role_goes() -> None:
    for role in ROLES:
        told = {event for event in NOTIFICATION_TYPES if is_told_by_mail(role, event, TOPICS)}
        others = set(NOTIFICATION_TYPES) - OWNERS if role != "auditor" else set()
        assert told == others | (OWNERS if role == "owner" else set())
        assert not any(is_told_by_mail(role, event, []) for event in NOTIFICATION_TYPES)
    assert set(TOPICS) > OWNER_TOPICS


def test_the_delay_doubles_up_to_a_day_with_jitter_and_ends_after_three_days() -> None:
    assert [plan_retry(failures, 0.0) for failures in (1, 2, 3)] == [5, 10, 20]
    assert plan_retry(10, 1.0) == int(plan_retry(10, 0.0) * 1.25)
    assert plan_retry(15, 1.0) == plan_retry(99, 0.0) == 86_400
    failures, at = 0, AT
    while True:
        failures += 1
        due_at = later(at, plan_retry(failures, 0.5))
        if is_given_up(AT, due_at):
            break
        at = due_at
    assert 14 <= failures <= 17
    assert later(AT, 86_400) < at <= later(AT, 3 * 86_400)


@pytest.mark.parametrize(
    ("before", "after", "level"),
    [(0, 79, None), (79, 80, 80), (80, 81, None), (0, 100, 100), (99, 100, 100), (100, 100, None),
     (10, 99, 80)],
)  # fmt: skip
def test_a_level_is_reached_once(before: int, after: int, level: int | None) -> None:
    assert find_level(before, after, 100) == level


def test_a_quota_of_one_piece_is_reached_by_it() -> None:
    assert find_level(0, 1, 1) == 100
    assert find_level(0, 0, 0) is None


def test_a_hundred_thousand_pieces_make_one_short_message() -> None:
    ids = [f"{number:064x}" for number in range(100_000)]
    data = describe_final(ids, count=len(ids), since=7, size=100_007, base_url="https://a.example")
    body = encode_message("evidence.final", AT, "acme", data)
    assert len(body) < MAX_BODY // 8
    document = json.loads(body)
    assert (document["type"], document["timestamp"]) == ("evidence.final", AT)
    assert document["data"]["count"] == 100_000 and len(document["data"]["ids"]) == 100
    assert document["data"]["link"] == "https://a.example/v1/final-evidence?after=7"
