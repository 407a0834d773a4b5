"""The chain of custody: no gap, no fork, in the log's order, with digests that meet."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.base.errors import AnchorError, CannotCheckError, MismatchError
from anchor.evidence.custody_event import CustodyEvent
from anchor.verification.custody_chain import (
    CustodyLink,
    CustodySubject,
    check_chain,
    order_chain,
)

SUBJECT = CustodySubject(record=b"\1" * 32, index=2, digest=b"\2" * 32)
SAME, OTHER = ("02" * 32), ("03" * 32)


def link(number: int, previous: int | None, **members: Any) -> CustodyLink:
    event = {
        "subject": SUBJECT.record.hex(),
        "event": "copy",
        "at": "2026-01-02T03:04:05Z",
        "actor": "x",
        "digest_before": SAME,
        "digest_after": SAME,
    } | members
    if previous is not None:
        event["previous_event"] = key(previous).hex()
    kept = {name: value for name, value in event.items() if value is not None}
    return CustodyLink(
        record=key(number), event=CustodyEvent.model_validate(kept), index=10 + number
    )


def key(number: int) -> bytes:
    return bytes([0xE0, number]) * 16


CHAIN = [link(0, None), link(1, 0), link(2, 1), link(3, 2)]


def test_events_are_put_in_order_whatever_the_order_they_come_in():
    for seed in range(20):
        given = random.Random(seed).sample(CHAIN, len(CHAIN))
        assert check_chain(SUBJECT, [*given, given[0]]) == CHAIN
    assert check_chain(SUBJECT, []) == []


@pytest.mark.parametrize("left_out", range(3))
def test_an_event_left_out_is_a_gap_that_is_named(left_out: int):
    given = [each for number, each in enumerate(CHAIN) if number != left_out]
    with pytest.raises(CannotCheckError) as error:
        check_chain(SUBJECT, given)
    assert key(left_out).hex() in error.value.message
    assert error.value.exit_code == 20


def test_that_the_last_event_was_left_out_is_not_seen():
    assert check_chain(SUBJECT, CHAIN[:-1]) == CHAIN[:-1]


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ([*CHAIN, link(9, 1)], "both follow"),
        ([*CHAIN, link(9, None)], "both follow"),
        ([link(0, None, subject="05" * 32)], "about another record"),
        ([link(0, None, digest_before=OTHER)], "found the evidence with a digest other"),
        ([CHAIN[0], link(1, 0, digest_before=OTHER)], "found the evidence with a digest other"),
        (
            [link(0, None, digest_after=OTHER), link(1, 0, digest_after=None)],
            "found the evidence with a digest other",
        ),
        ([link(0, None, digest_after=OTHER)], "left the evidence with a digest other"),
        (
            [link(0, None, digest_before=None, digest_after=OTHER)],
            "left the evidence with a digest other",
        ),
    ],
)
def test_a_contradiction_is_a_mismatch(links: list[CustodyLink], said: str):
    with pytest.raises(MismatchError, match=said) as error:
        check_chain(SUBJECT, links)
    assert error.value.exit_code == 10


def test_evidence_that_was_changed_and_changed_back_meets():
    there = link(0, None, digest_after=OTHER)
    back = link(1, 0, digest_before=OTHER, digest_after=SAME)
    assert check_chain(SUBJECT, [there, back]) == [there, back]


def test_the_order_without_digests_is_found_all_the_same():
    changed = [link(0, None, digest_after=OTHER)]
    assert order_chain(SUBJECT, changed) == changed


@pytest.mark.parametrize("index", [10, 11, 2, 1])
def test_an_event_before_what_it_follows_is_a_mismatch(index: int):
    late = CustodyLink(record=key(1), event=CHAIN[1].event, index=index)
    if index == 11:
        assert check_chain(SUBJECT, [CHAIN[0], late]) == [CHAIN[0], late]
        return
    with pytest.raises(MismatchError, match="before the record or event that it follows"):
        check_chain(SUBJECT, [CHAIN[0], late])


def test_an_event_before_its_subject_is_a_mismatch():
    early = CustodyLink(record=key(0), event=CHAIN[0].event, index=2)
    with pytest.raises(MismatchError, match="before the record or event that it follows"):
        check_chain(SUBJECT, [early])


def test_events_that_name_each_other_are_no_chain():
    with pytest.raises(CannotCheckError, match="gap"):
        check_chain(SUBJECT, [link(0, 1), link(1, 0)])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.none() | st.integers(0, 4), st.sampled_from([None, SAME, OTHER])
        ),
        max_size=5,
        unique_by=lambda each: each[0],
    )
)
def test_what_passes_is_one_chain_from_the_first_event_on(
    drawn: list[tuple[int, int | None, str | None]],
):
    links = [
        link(number, previous, digest_before=digest, digest_after=digest)
        for number, previous, digest in drawn
    ]
    try:
        chain = check_chain(SUBJECT, links)
    except AnchorError:
        return
    assert len(chain) == len(links)
    previous = None
    for each in chain:
        assert each.event.previous_event == previous
        assert each.event.digest_before in (None, SAME)
        previous = each.record.hex()
