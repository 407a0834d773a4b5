"""Verification, one lie at a time in where a receipt says it is anchored, and what is pinned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from anchor.errors import NotTrustedError
from anchor.merkle import hash_leaf
from anchor.receipt import Receipt
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.registry.keccak import format_address
from anchor.trust import TrustedOperator, TrustEntry
from anchor.types import Address, ChainId, Hash32, Head, make_log_id
from anchor.verdict import Verdict
from tests.support.world import (
    INDEX,
    MAIN,
    OWNER,
    REGISTRY,
    SIDE,
    SIZE,
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
        (_moved(registry=STRANGER), (12, [4], "PFFFF")),
        (_moved(chain_id=SIDE), (0, [], "PPPPP")),
        (_moved(chain_id=ChainId(999)), (20, [5], "P????")),
        (_in_log(STRANGER, 0), (11, [7], "PFFFF")),
        (_in_log(OWNER, 1), (11, [7], "PFFFF")),
        (_in_log(OWNER, 2**96 - 1), (11, [7], "PFFFF")),
    ],
)
def test_a_receipt_of_another_place_than_pinned_is_not_trusted(
    change: Callable[[World], Receipt], unpinned: tuple[int, list[int], str]
) -> None:
    world = World()
    report = judged(world, change(world))
    expect(report, 12, [4], "PFFFF")
    assert (world.asked, report.proven) == ([], ())
    expect(judged(world, change(world), policy=None), *unpinned)


@pytest.mark.fault(
    "I6",
    how="the root is anchored, but in another log",
    then="not anchored in this one",
)
def test_a_root_of_one_log_says_nothing_about_the_owners_other_log() -> None:
    world = World()
    entry = dataclasses.replace(world.entry(), logs=(0, 5))
    receipt = dataclasses.replace(honest(world), log=world.other_log)
    expect(judged(world, receipt, policy=world.policy(entry)), 11, [7], "PFFFF")
    expect(judged(world, policy=world.policy(entry)), 0, [], "PPPPP")


def _entry(**changes: object) -> Callable[[World], TrustEntry]:
    return lambda world: dataclasses.replace(world.entry(), **changes)  # type: ignore[arg-type]


def _operator(operator_id: int, first: int, last: int | None) -> TrustedOperator:
    return TrustedOperator(id=operator_id, from_block=first, until_block=last)


@pytest.mark.parametrize(
    ("entry", "code", "steps", "claims"),
    [
        (_entry(genesis=hash_of("other")), 12, [5], "PFFFF"),
        (_entry(code_hash=hash_of("other")), 12, [6], "PFFFF"),
        (_entry(operators=()), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(0, 0, None), _operator(2, 0, None))), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 0, 19),)), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 21, None),)), 12, [9], "PPPPF"),
        (_entry(operators=(_operator(1, 20, 20),)), 0, [], "PPPPP"),
        (_entry(operators=(_operator(1, 0, 5), _operator(1, 20, None))), 0, [], "PPPPP"),
        (_entry(operators=None), 0, [], "PPPPP"),
        (_entry(owner=STRANGER), 12, [4], "PFFFF"),
        (_entry(logs=(1, 2)), 12, [4], "PFFFF"),
        (_entry(registry=STRANGER), 12, [4], "PFFFF"),
        (_entry(chain_id=SIDE), 12, [4], "PFFFF"),
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
    assert report.steps[3].detail == (
        "not pinned, taken from the receipt; the registry is this release's own"
    )


def test_without_a_policy_final_is_what_the_chain_calls_so() -> None:
    world = World()
    world.main.final = 19
    expect(judged(world, policy=None), 21, [7], "P????")
    world.main.final = None
    expect(judged(world, policy=None), 20, [6], "P????")


# A registry whose constructor filled the storage as it liked and then returned our code: only its
# address, which CREATE2 derives from the constructor too, gives it away.
HOSTILE = Address(bytes.fromhex("5e61000000000000000000000000000000000003"))


def _forged(world: World) -> Receipt:
    """Forge a record, and deploy a registry on every chain that holds its root as if anchored."""
    record = world.records[INDEX].replace(b'"recorded_at":"2026', b'"recorded_at":"2016')
    head = Head(root=hash_leaf(record), size=1)
    for chain in world.chains.values():
        chain.code[HOSTILE] = (1, expected_code_hash(chain.chain_id))
        stored = dataclasses.replace(world.stored(chain, 4), size=1)
        chain.store_anchor(world.log, head.root, stored, registry=HOSTILE)
    anchor = dataclasses.replace(world.anchor(2, 4), registry=HOSTILE, head=head, path=())
    return Receipt(record=record, log=world.log, index=0, promise=None, anchors=(anchor,))


def test_our_code_at_another_address_is_not_trusted_unless_a_policy_pins_it() -> None:
    world = World()
    receipt = _forged(world)
    assert registry_address() != HOSTILE
    assert world.main.code[HOSTILE][1] == world.main.code[REGISTRY][1]
    # Nothing the node shows tells the two apart: who pins that registry is told it all passes.
    pinned = dataclasses.replace(world.entry(), registry=HOSTILE)
    expect(judged(world, receipt, policy=world.policy(pinned)), 0, [], "PPPPP")
    world.asked.clear()
    report = judged(world, receipt, policy=None)
    expect(report, 12, [4], "PFFFF")
    # No node was even asked, and every dependent claim names step 4.
    assert (world.asked, report.proven) == ([], ())
    assert [step.number for step in report.steps] == [1, 2, 3, 4]
    assert isinstance(report.error, NotTrustedError)
    assert format_address(HOSTILE) in report.error.message
    assert report.error.hint is not None
    assert "pin it in a trust policy" in report.error.hint
    for claim in report.claims:
        if claim.id not in ("C2", "C3", "C4", "C6"):
            continue
        assert (claim.verdict, claim.reason) == (
            Verdict.FAIL,
            f"step 4: {report.error.message}",
        )


@pytest.mark.parametrize("chain_id", [MAIN, SIDE, ChainId(999)])
def test_our_code_at_another_address_is_not_trusted_on_any_chain(chain_id: ChainId) -> None:
    world = World()
    receipt = re_anchored(_forged(world), chain_id=chain_id)
    expect(judged(world, receipt, policy=None), 12, [4], "PFFFF")
    assert world.asked == []


@pytest.mark.fault(
    "I3",
    how="a look-alike registry holds the same anchor",
    then="not trusted, in whichever order the anchors come",
)
@pytest.mark.parametrize("hostile_first", [False, True])
def test_a_foreign_registry_is_not_covered_by_an_anchor_in_ours(hostile_first: bool) -> None:
    world = World()
    _forged(world)
    ours = world.anchor(INDEX, SIZE)
    world.chains[SIDE].store_anchor(
        world.log, ours.head.root, world.stored(world.chains[SIDE], SIZE), registry=HOSTILE
    )
    theirs = dataclasses.replace(world.anchor(INDEX, SIZE, SIDE), registry=HOSTILE)
    anchors = [theirs, ours] if hostile_first else [ours, theirs]
    receipt = world.receipt(INDEX, *anchors)
    report = judged(world, receipt, policy=None)
    expect(report, 12, [4], "PFFFF")
    assert (world.asked, report.proven) == ([], ())
    # A policy that pins ours, and only ours, does not ask the other one.
    expect(judged(world, receipt), 0, [], "PPPPP")


def test_our_registry_needs_its_code_without_a_policy_too() -> None:
    world = World()
    world.main.code[REGISTRY] = (5, hash_of("foreign code"))
    expect(judged(world, policy=None), 12, [6], "PFFFF")
    world.main.code[REGISTRY] = (5, expected_code_hash(SIDE))
    expect(judged(world, policy=None), 12, [6], "PFFFF")


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
