"""Verification, one lie at a time in where a receipt says it is anchored, and what is pinned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from support.world import (
    INDEX,
    MAIN,
    OWNER,
    REGISTRY,
    SIDE,
    SIZE,
    STRANGER,
    MemoryChain,
    World,
    expect,
    hash_of,
    honest,
    judged,
    re_anchored,
    unpinned,
)

from anchor.base.errors import NotTrustedError
from anchor.base.types import Address, ChainId, Hash32, Head, make_log_id
from anchor.ethereum.keccak import format_address
from anchor.log.merkle import hash_leaf
from anchor.receipt.format import Receipt
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.verification.policy import TrustedOperator, TrustEntry
from anchor.verification.report import Verdict


def _moved(**changes: object) -> Callable[[World], Receipt]:
    return lambda world: re_anchored(honest(world), **changes)


def _in_log(owner: Address, number: int) -> Callable[[World], Receipt]:
    return lambda world: dataclasses.replace(honest(world), log=make_log_id(owner, number))


@pytest.mark.parametrize(
    ("change", "without"),
    [
        (_moved(registry=STRANGER), (12, [4], "PFFFF")),
        (_moved(chain_id=SIDE), (0, [], "PPPPP")),
        (_moved(chain_id=ChainId(999)), (20, [4], "P????")),
        (_in_log(STRANGER, 0), (11, [7], "PFFFF")),
        (_in_log(OWNER, 1), (11, [7], "PFFFF")),
        (_in_log(OWNER, 2**96 - 1), (11, [7], "PFFFF")),
    ],
)
def test_a_receipt_of_another_place_than_pinned_is_not_trusted(
    change: Callable[[World], Receipt], without: tuple[int, list[int], str]
) -> None:
    world = World()
    report = judged(world, change(world))
    expect(report, 12, [4], "PFFFF")
    assert (world.asked, report.proven) == ([], ())
    expect(unpinned(world, change(world), chain_ids=(MAIN, SIDE, 999)), *without)


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
    report = unpinned(world)
    expect(report, 0, [], "PPPPP")
    assert report.unpinned == (f"the log's owner {format_address(OWNER)}",)
    assert world.asked == [(MAIN, ())]
    assert "genesis" not in world.main.reads  # a development chain has none that is listed
    assert report.proven[0].existed_by.timestamp() == 1_790_000_240 + 12
    assert report.steps[3].detail == (
        "not pinned, taken from the receipt; the registry is this release's own; chain 31337 is a "
        "development chain: whoever runs it chooses its blocks and their times"
    )


def test_without_a_policy_final_is_what_the_chain_calls_so() -> None:
    world = World()
    world.main.final = 19
    expect(unpinned(world), 21, [7], "P????")
    world.main.final = None
    expect(unpinned(world), 20, [6], "P????")


def test_without_a_policy_nothing_is_verified_unless_that_is_accepted() -> None:
    world = World()
    report = unpinned(world, accept_unpinned=False)
    expect(report, 20, [4], "P????")
    # The other steps are made all the same, so that what is certainly wrong is said.
    assert [step.number for step in report.steps] == list(range(1, 11))
    assert report.unpinned == (f"the log's owner {format_address(OWNER)}",)
    assert report.error is not None
    assert report.error.message == (
        f"no trust policy: the log's owner {format_address(OWNER)} is the receipt's own claim"
    )
    assert "--accept-unpinned" in (report.error.hint or "")
    world.rewrite(None)
    expect(unpinned(world, accept_unpinned=False), 11, [4, 7], "PFFFF")


def test_what_no_option_names_is_unpinned_too() -> None:
    world = World()
    receipt = world.receipt(INDEX, world.anchor(INDEX, SIZE, SIDE))
    report = unpinned(world, receipt, chain_ids=())
    expect(report, 0, [], "PPPPP")
    owner = f"the log's owner {format_address(OWNER)}"
    assert report.unpinned == (owner, "chain 10, OP Mainnet")
    report = unpinned(world, receipt, chain_ids=(), accept_unpinned=False)
    assert report.error is not None
    assert report.error.message == (
        f"no trust policy: {owner}, chain 10, OP Mainnet are the receipt's own claims"
    )


def test_a_development_chain_counts_only_where_it_is_named() -> None:
    world = World()
    report = unpinned(world, chain_ids=())
    expect(report, 20, [4], "P????")
    assert [step.number for step in report.steps] == [1, 2, 3, 4]
    assert (world.asked, report.proven) == ([], ())
    assert report.error is not None
    assert report.error.message == (
        "chain 31337 counts only if a trust policy or --chain-id names it: it is a development "
        "chain: whoever runs it chooses its blocks and their times"
    )
    assert unpinned(world).kind == "development"
    assert judged(world).kind == "development"


def test_a_chain_that_the_release_does_not_list_needs_a_policy() -> None:
    world = World()
    unlisted = ChainId(42170)
    world.chains[unlisted] = dataclasses.replace(world.main, chain_id=unlisted)
    world.chains[unlisted].code[REGISTRY] = (5, expected_code_hash(unlisted))
    receipt = re_anchored(honest(world), chain_id=unlisted)
    report = unpinned(world, receipt, chain_ids=(unlisted,))
    expect(report, 20, [4], "P????")
    assert "this release lists no registry on chain 42170" in report.steps[-1].detail
    report = judged(world, receipt, policy=world.policy(world.entry(unlisted)))
    expect(report, 0, [], "PPPPP")
    assert report.kind == "unlisted"


@pytest.mark.parametrize("pinned", [True, False])
def test_anchors_on_chains_that_are_not_named_are_left_aside(pinned: bool) -> None:
    world = World()
    receipt = world.receipt(INDEX, world.anchor(INDEX, SIZE), world.anchor(INDEX, SIZE, SIDE))
    policy = world.policy(world.entry(), world.entry(SIDE)) if pinned else None
    report = judged(world, receipt, policy=policy, chain_ids=(SIDE,), accept_unpinned=True)
    expect(report, 0, [], "PPPPP")
    assert [proven.chain_id for proven in report.proven] == [SIDE]
    assert report.notes == ("chain 31337 is ignored: you did not name it",)
    assert report.kind == "main"
    report = judged(world, receipt, policy=policy, chain_ids=(5,), accept_unpinned=True)
    expect(report, 12, [4], "PFFFF")
    assert world.asked == [(SIDE, world.entry(SIDE).rpc if pinned else ())]


def test_an_anchor_that_the_policy_does_not_pin_is_left_aside_and_said() -> None:
    world = World()
    receipt = world.receipt(INDEX, world.anchor(INDEX, SIZE), world.anchor(INDEX, SIZE, SIDE))
    report = judged(world, receipt)
    expect(report, 0, [], "PPPPP")
    where = f"registry {format_address(REGISTRY)} on chain 10"
    assert report.notes == (f"{where} is ignored: the policy does not pin it",)


def test_a_listed_chains_genesis_is_the_releases_with_and_without_a_policy() -> None:
    world = World()
    receipt = world.receipt(INDEX, world.anchor(INDEX, SIZE, SIDE))
    entry = dataclasses.replace(world.entry(SIDE), genesis=hash_of("another"))
    report = judged(world, receipt, policy=world.policy(entry))
    expect(report, 12, [4], "PFFFF")
    assert "OP Mainnet" in report.steps[-1].detail
    assert world.asked == []

    class Impostor(MemoryChain):
        def fetch_genesis(self) -> Hash32:
            return hash_of("another")

    side = world.chains[SIDE]
    impostor = Impostor(SIDE, code=side.code, storage=side.storage)
    for policy in (None, world.policy(world.entry(SIDE))):
        report = judged(
            world,
            receipt,
            policy=policy,
            connect=lambda _: impostor,
            accept_unpinned=True,
        )
        expect(report, 12, [5], "PFFFF")
    report = unpinned(world, receipt, connect=lambda _: world.chains[SIDE])
    expect(report, 0, [], "PPPPP")
    assert "genesis 0x7ca38a1916c42007" in report.steps[4].detail


def test_without_a_policy_a_promise_is_neither_final_nor_pinned() -> None:
    world = World()
    report = unpinned(world, world.receipt(INDEX))
    expect(report, 21, [4], "P????")
    report = unpinned(world, world.receipt(INDEX), accept_unpinned=False)
    expect(report, 20, [4], "P????")


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
    report = unpinned(world, receipt)
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
    expect(unpinned(world, receipt), 12, [4], "PFFFF")
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
    report = unpinned(world, receipt)
    expect(report, 12, [4], "PFFFF")
    # It ends its own steps, and hides nothing of what the other one shows.
    assert [chain_id for chain_id, _ in world.asked] == [MAIN]
    assert [proven.registry for proven in report.proven] == [REGISTRY]
    world.rewrite(world.word(sequence=1))
    expect(unpinned(world, receipt), 10, [4, 8] if hostile_first else [8, 4], "PFFFF")
    world.rewrite(world.word())
    # A policy that pins ours, and only ours, does not ask the other one.
    expect(judged(world, receipt), 0, [], "PPPPP")


def test_our_registry_needs_its_code_without_a_policy_too() -> None:
    world = World()
    world.main.code[REGISTRY] = (5, hash_of("foreign code"))
    expect(unpinned(world), 12, [6], "PFFFF")
    world.main.code[REGISTRY] = (5, expected_code_hash(SIDE))
    expect(unpinned(world), 12, [6], "PFFFF")


@pytest.mark.parametrize("field", ["tx_hash", "block_hash"])
@pytest.mark.parametrize("pinned", [True, False])
def test_hints_reach_no_verdict(field: str, pinned: bool) -> None:
    world = World()
    judge_it = judged if pinned else unpinned
    hints = honest(world).anchors[0].hints
    assert hints is not None
    altered = dataclasses.replace(hints, **{field: Hash32(bytes(32))})
    expected = judge_it(world)
    assert judge_it(world, re_anchored(honest(world), hints=altered)) == expected
    assert judge_it(world, re_anchored(honest(world), hints=None)) == expected
