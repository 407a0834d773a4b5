"""Verification of receipts with no anchor yet, and with several."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from support.world import (
    INDEX,
    MAIN,
    REGISTRY,
    SIDE,
    SIZE,
    STRANGER,
    World,
    expect,
    hash_of,
    judged,
    unpinned,
)

from anchor.verification.report import Verdict


def test_a_pending_receipt_passes_once_its_head_is_anchored_and_final() -> None:
    world = World()
    report = judged(world, world.receipt(INDEX))
    expect(report, 0, [], "PPPPP")
    assert report.proven[0].anchor == world.stored(world.main, SIZE)


def test_a_pending_receipt_whose_head_is_not_anchored_is_not_final_rather_than_wrong() -> None:
    world = World()
    expect(judged(world, world.receipt(INDEX, head_size=7)), 21, [7], "P????")
    world.rewrite(world.word(block_number=43), block=43)
    expect(judged(world, world.receipt(INDEX)), 21, [7], "P????")


@pytest.mark.fault(
    "I10",
    how="the registry holds the root under another size",
    then="mismatch, exit code 10",
)
def test_a_pending_receipt_with_another_size_than_the_registrys_is_a_mismatch() -> None:
    world = World()
    promise = world.promise(INDEX, SIZE)
    larger = dataclasses.replace(promise, head=dataclasses.replace(promise.head, size=10))
    other = dataclasses.replace(world.receipt(INDEX), promise=larger)
    expect(judged(world, other), 10, [8], "PPFFP")


def test_a_pending_receipt_without_a_policy_names_no_place_to_look() -> None:
    world = World()
    report = unpinned(world, world.receipt(INDEX))
    expect(report, 21, [4], "P????")
    assert world.asked == []


def test_a_pending_receipt_of_a_log_the_policy_does_not_pin_is_not_trusted() -> None:
    world = World()
    for changes in ({"logs": (1,)}, {"owner": STRANGER}):
        entry = dataclasses.replace(world.entry(), **changes)
        report = judged(world, world.receipt(INDEX), policy=world.policy(entry))
        expect(report, 12, [4], "PFFFF")
    assert world.asked == []


@pytest.mark.fault(
    "K2",
    how="the log is anchored on two chains",
    then="looked for on each",
)
def test_a_pending_receipt_is_looked_for_on_every_chain_the_policy_pins() -> None:
    world = World()
    both = world.policy(world.entry(), world.entry(SIDE))
    report = judged(world, world.receipt(INDEX), policy=both)
    expect(report, 0, [], "PPPPP")
    assert [proven.chain_id for proven in report.proven] == [MAIN, SIDE]
    world.rewrite(None)
    report = judged(world, world.receipt(INDEX), policy=both)
    expect(report, 21, [7], "P????")
    assert [proven.chain_id for proven in report.proven] == [SIDE]


def absent_on_side(world: World) -> None:
    world.rewrite(None, chain_id=SIDE)


def foreign_on_side(world: World) -> None:
    world.chains[SIDE].code[REGISTRY] = (5, hash_of("foreign code"))


def unreachable_side(world: World) -> None:
    world.chains[SIDE].fails_at = len(world.chains[SIDE].reads)


def contradicting_side(world: World) -> None:
    world.rewrite(world.word(sequence=7), chain_id=SIDE)


@pytest.mark.parametrize("side_first", [False, True])
@pytest.mark.parametrize(
    ("lie", "code", "steps", "claims"),
    [
        (absent_on_side, 11, [7], "PFFFF"),
        (foreign_on_side, 12, [6], "PFFFF"),
        (unreachable_side, 20, [5], "P????"),
        (contradicting_side, 10, [8], "PPFFP"),
    ],
)
def test_one_bad_anchor_among_the_pinned_ones_is_never_covered_by_a_good_one(
    lie: Callable[[World], None], code: int, steps: list[int], claims: str, side_first: bool
) -> None:
    world = World()
    anchors = [world.anchor(INDEX, SIZE), world.anchor(INDEX, SIZE, SIDE)]
    if side_first:
        anchors.reverse()
    both = world.policy(world.entry(), world.entry(SIDE))
    expect(judged(world, world.receipt(INDEX, *anchors), policy=both), 0, [], "PPPPP")
    lie(world)
    report = judged(world, world.receipt(INDEX, *anchors), policy=both)
    expect(report, code, steps, claims)
    assert [proven.chain_id for proven in report.proven] == [MAIN]


def test_an_anchor_the_policy_does_not_pin_is_not_asked_for_but_must_still_lead_to_its_root() -> (
    None
):
    world = World()
    side = world.anchor(INDEX, SIZE, SIDE)
    absent_on_side(world)
    expect(judged(world, world.receipt(INDEX, world.anchor(INDEX, SIZE), side)), 0, [], "PPPPP")
    assert world.chains[SIDE].reads == []
    bent = dataclasses.replace(side, path=side.path[::-1])
    expect(judged(world, world.receipt(INDEX, world.anchor(INDEX, SIZE), bent)), 10, [3], "PFPFP")


def test_two_entries_for_one_place_must_both_be_satisfied() -> None:
    world = World()
    strict = dataclasses.replace(world.entry(), operators=())
    report = judged(world, policy=world.policy(world.entry(), strict))
    expect(report, 12, [9], "PPPPF")
    other_log = dataclasses.replace(world.entry(), logs=(5,), code_hash=hash_of("x"))
    expect(judged(world, policy=world.policy(world.entry(), other_log)), 0, [], "PPPPP")


def test_a_claim_names_the_step_it_fell_at_and_a_certain_failure_before_an_unknown() -> None:
    world = World()
    unreachable_side(world)
    world.rewrite(None)
    report = judged(
        world,
        world.receipt(INDEX, world.anchor(INDEX, SIZE, SIDE), world.anchor(INDEX, SIZE)),
        policy=world.policy(world.entry(), world.entry(SIDE)),
    )
    expect(report, 11, [5, 7], "PFFFF")
    claim = next(claim for claim in report.claims if claim.id == "C3")
    assert claim.verdict is Verdict.FAIL
    assert claim.reason.startswith("step 7: ")
