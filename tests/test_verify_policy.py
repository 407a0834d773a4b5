"""Verification, one lie at a time in where a receipt says it is anchored, and what is pinned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from anchor.receipt import Receipt
from anchor.registry.keccak import format_address
from anchor.trust import TrustedOperator, TrustEntry
from anchor.types import Address, ChainId, Hash32, make_log_id
from tests.support.world import (
    MAIN,
    OWNER,
    REGISTRY,
    SIDE,
    STRANGER,
    World,
    expect,
    hash_of,
    honest,
    judged,
    re_anchored,
)


def _moved(**changes: object) -> Callable[[World], Receipt]:
    return lambda world: re_anchored(honest(world), **changes)


def _in_log(owner: Address, number: int) -> Callable[[World], Receipt]:
    return lambda world: dataclasses.replace(honest(world), log=make_log_id(owner, number))


@pytest.mark.parametrize(
    ("change", "unpinned"),
    [
        (_moved(registry=STRANGER), (12, [6], "PPFFF")),
        (_moved(chain_id=SIDE), (0, [], "PPPPP")),
        (_moved(chain_id=ChainId(999)), (20, [5], "PP???")),
        (_in_log(STRANGER, 0), (11, [7], "PPFFF")),
        (_in_log(OWNER, 1), (11, [7], "PPFFF")),
        (_in_log(OWNER, 2**96 - 1), (11, [7], "PPFFF")),
    ],
)
def test_a_receipt_of_another_place_than_pinned_is_not_trusted(
    change: Callable[[World], Receipt], unpinned: tuple[int, list[int], str]
) -> None:
    world = World()
    report = judged(world, change(world))
    expect(report, 12, [4], "PPFFF")
    assert (world.asked, report.proven) == ([], ())
    expect(judged(world, change(world), policy=None), *unpinned)


def test_a_root_of_one_log_says_nothing_about_the_owners_other_log() -> None:
    world = World()
    entry = dataclasses.replace(world.entry(), logs=(0, 5))
    receipt = dataclasses.replace(honest(world), log=world.other_log)
    expect(judged(world, receipt, policy=world.policy(entry)), 11, [7], "PPFFF")
    expect(judged(world, policy=world.policy(entry)), 0, [], "PPPPP")


def _entry(**changes: object) -> Callable[[World], TrustEntry]:
    return lambda world: dataclasses.replace(world.entry(), **changes)  # type: ignore[arg-type]


def _operator(operator_id: int, first: int, last: int | None) -> TrustedOperator:
    return TrustedOperator(id=operator_id, from_block=first, until_block=last)


@pytest.mark.parametrize(
    ("entry", "code", "steps", "claims"),
    [
        (_entry(genesis=hash_of("other")), 12, [5], "PPFFF"),
        (_entry(code_hash=hash_of("other")), 12, [6], "PPFFF"),
        (_entry(operators=()), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(0, 0, None), _operator(2, 0, None))), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 0, 19),)), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 21, None),)), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 20, 20),)), 0, [], "PPPPP"),
        (_entry(operators=(_operator(1, 0, 5), _operator(1, 20, None))), 0, [], "PPPPP"),
        (_entry(operators=None), 0, [], "PPPPP"),
        (_entry(owner=STRANGER), 12, [4], "PPFFF"),
        (_entry(logs=(1, 2)), 12, [4], "PPFFF"),
        (_entry(registry=STRANGER), 12, [4], "PPFFF"),
        (_entry(chain_id=SIDE), 12, [4], "PPFFF"),
        (_entry(time_slack=10**12), 20, [10], "PPP?P"),
    ],
)
def test_what_the_policy_pins_decides(
    entry: Callable[[World], TrustEntry], code: int, steps: list[int], claims: str
) -> None:
    world = World()
    report = judged(world, policy=world.policy(entry(world)))
    expect(report, code, steps, claims)
    assert len(report.proven) == (0 if code else 1)


def test_the_slack_of_the_policy_is_added_to_the_blocks_time() -> None:
    world = World()
    for slack in (0, 12, 86_400):
        entry = dataclasses.replace(world.entry(), time_slack=slack)
        proven = judged(world, policy=world.policy(entry)).proven[0]
        assert proven.existed_by.timestamp() == 1_790_000_240 + slack


def test_without_a_policy_everything_taken_from_the_receipt_is_listed() -> None:
    world = World()
    report = judged(world, policy=None)
    expect(report, 0, [], "PPPPP")
    assert report.unpinned == (
        f"the log's owner {format_address(OWNER)}",
        f"chain 31337 and registry {format_address(REGISTRY)}",
    )
    assert world.asked == [(MAIN, ())]
    assert "genesis" not in world.main.reads
    assert report.proven[0].existed_by.timestamp() == 1_790_000_240 + 12
    assert "no trust policy" in report.steps[3].detail


def test_without_a_policy_final_is_what_the_chain_calls_so() -> None:
    world = World()
    world.main.final = 19
    expect(judged(world, policy=None), 21, [7], "PP???")
    world.main.final = None
    expect(judged(world, policy=None), 20, [6], "PP???")


@pytest.mark.parametrize("field", ["tx_hash", "block_hash"])
@pytest.mark.parametrize("pinned", [True, False])
def test_hints_reach_no_verdict(field: str, pinned: bool) -> None:
    world = World()
    policy = world.policy() if pinned else None
    hints = honest(world).anchors[0].hints
    assert hints is not None
    altered = dataclasses.replace(hints, **{field: Hash32(bytes(32))})
    expected = judged(world, policy=policy)
    assert judged(world, re_anchored(honest(world), hints=altered), policy=policy) == expected
    assert judged(world, re_anchored(honest(world), hints=None), policy=policy) == expected
