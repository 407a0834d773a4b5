"""Verification, one lie or failure of the node at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.world import (
    INDEX,
    MAIN,
    REGISTRY,
    SIDE,
    SIZE,
    MemoryChain,
    World,
    expect,
    failing_steps,
    hash_of,
    honest,
    judged,
    re_anchored,
    unpinned,
)

from anchor.base.errors import (
    CannotCheckError,
    ExitCode,
    NodeUnreachableError,
    NotTrustedError,
)
from anchor.base.types import Anchor, Hash32
from anchor.ethereum.header import parse_header
from anchor.registry.storage import encode_anchor, operator_key_slot
from anchor.verification.policy import FinalityRule
from anchor.verification.report_json import describe_report


def foreign_code(world: World) -> None:
    world.main.code[REGISTRY] = (5, hash_of("foreign code"))


def no_code(world: World) -> None:
    del world.main.code[REGISTRY]


def late_code(world: World) -> None:
    world.main.code[REGISTRY] = (41, world.main.code[REGISTRY][1])


def absent_root(world: World) -> None:
    world.rewrite(None)


def late_root(world: World) -> None:
    world.rewrite(world.word(block_number=43), block=43)


def no_final_block(world: World) -> None:
    world.main.final = None


def no_operator_key(world: World) -> None:
    world.main.storage[REGISTRY, operator_key_slot(world.log, 1)] = []


def long_operator_key(world: World) -> None:
    world.main.store(operator_key_slot(world.log, 1), b"\x01" + b"\x11" * 31, block=7)


def late_operator_key(world: World) -> None:
    world.main.storage[REGISTRY, operator_key_slot(world.log, 1)] = [(41, bytes(12) + b"\x11" * 20)]


@pytest.mark.fault(
    "H15",
    how="the root is in a block that is not final",
    then="not final yet, exit code 21",
)
@pytest.mark.parametrize(
    ("lie", "code", "steps", "claims"),
    [
        (foreign_code, 12, [6], "PFFFF"),
        (no_code, 12, [6], "PFFFF"),
        (late_code, 21, [6], "P????"),
        (absent_root, 11, [7], "PFFFF"),
        (late_root, 21, [7], "P????"),
        (no_final_block, 20, [6], "P????"),
        (no_operator_key, 20, [9], "PPPP?"),
        (long_operator_key, 20, [9], "PPPP?"),
        (late_operator_key, 20, [9], "PPPP?"),
    ],
)
def test_what_the_chain_holds_decides(
    lie: Callable[[World], None], code: int, steps: list[int], claims: str
) -> None:
    world = World()
    lie(world)
    report = judged(world)
    expect(report, code, steps, claims)
    assert report.proven == ()


def test_a_node_on_another_chain_is_not_trusted() -> None:
    world = World()
    report = judged(world, connect=lambda _: world.chains[SIDE])
    expect(report, 12, [5], "PFFFF")
    assert isinstance(report.error, NotTrustedError)
    assert world.chains[SIDE].reads == ["chain id"]


@pytest.mark.fault(
    "H14",
    how="another chain with the same id holds the same anchors",
    then="not trusted, by its genesis block",
)
def test_a_chain_that_only_claims_the_chain_id_is_told_by_its_genesis() -> None:
    world = World()

    class Impostor(MemoryChain):
        def fetch_genesis(self) -> Hash32:
            return hash_of("another genesis")

    impostor = Impostor(MAIN, code=world.main.code, storage=world.main.storage)
    expect(judged(world, connect=lambda _: impostor), 12, [5], "PFFFF")
    # Without a policy nobody pinned a genesis block, and the report does not pretend otherwise.
    report = unpinned(world, connect=lambda _: impostor)
    expect(report, 0, [], "PPPPP")
    assert "not pinned" in report.steps[4].detail


# The reads an honest verification makes, in order, with the step each belongs to.
READS = [
    ("chain id", 5, "P????"),
    ("genesis", 5, "P????"),
    ("final block by finalized", 6, "P????"),
    ("code", 6, "P????"),
    ("storage", 7, "P????"),
    ("storage", 9, "PPPP?"),
    ("storage", 9, "PPPP?"),
]


@pytest.mark.parametrize("fails_at", range(len(READS)))
def test_a_node_that_fails_at_any_single_read_leaves_it_open_and_decides_nothing(
    fails_at: int,
) -> None:
    world = World()
    world.main.fails_at = fails_at
    what, step, claims = READS[fails_at]
    report = judged(world)
    assert world.main.reads[fails_at] == what
    expect(report, 20, [step], claims)
    assert isinstance(report.error, NodeUnreachableError)
    assert report.proven == ()


@pytest.mark.fault(
    "K5",
    how="nothing is to be had from the node but the storage of its final block",
    then="verified: neither a receipt nor a log is asked for",
)
def test_an_honest_verification_makes_exactly_those_reads() -> None:
    world = World()
    judged(world)
    assert world.main.reads == [what for what, _, _ in READS]


@pytest.mark.parametrize(
    ("lie", "fails_at", "step"),
    [
        (foreign_code, 4, 6),
        (foreign_code, 5, 6),
        (late_code, 4, 6),
        (late_code, 5, 6),
        (absent_root, 5, 7),
        (absent_root, 6, 7),
        (late_root, 5, 7),
        (late_root, 6, 7),
    ],
)
def test_a_node_that_fails_while_a_bad_answer_is_looked_into_leaves_it_open(
    lie: Callable[[World], None], fails_at: int, step: int
) -> None:
    world = World()
    lie(world)
    world.main.fails_at = fails_at
    expect(judged(world), 20, [step], "P????")
    assert len(world.main.reads) == fails_at + 1


def test_a_chain_nobody_knows_a_node_of_cannot_be_checked() -> None:
    world = World()
    receipt, policy = honest(world), world.policy()
    del world.chains[MAIN]
    expect(judged(world, receipt, policy=policy), 20, [5], "P????")


@pytest.mark.parametrize(
    "word",
    [
        lambda world: b"\x00" * 31 + b"\x01",
        lambda world: b"\xff" * 26 + bytes(6),
        lambda world: bytes(31) + b"\x09",
        lambda world: b"\x80" + bytes(31),
        lambda world: world.word(size=0),
        lambda world: world.word(sequence=0),
        lambda world: world.word(timestamp=1_790_000_000 + 12 * 40 + 1),
        lambda world: b"\xff" * 32,
    ],
)
def test_a_storage_word_the_registry_cannot_have_written_decides_nothing(
    word: Callable[[World], bytes],
) -> None:
    world = World()
    world.rewrite(word(world))
    expect(judged(world), 20, [7], "P????")


def test_a_junk_word_beside_the_final_block_decides_nothing_either() -> None:
    world = World()
    world.rewrite(bytes(31) + b"\x01", block=43)
    expect(judged(world), 20, [7], "P????")


def test_an_anchor_in_the_final_block_itself_is_final() -> None:
    world = World()
    world.main.final = 20
    expect(judged(world), 0, [], "PPPPP")
    world.main.final = 19
    expect(judged(world), 21, [7], "P????")


def behind(world: World, *, latest: int, final: int) -> World:
    """Let the node have come no further than ``latest``; the honest anchor is in block 20."""
    world.main.latest, world.main.final = latest, final
    return world


def unchanged(world: World) -> None:
    """Tell no lie."""


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize(
    ("lie", "latest", "final", "code", "steps", "claims"),
    [
        # A node that has not come to the anchor's block cannot know, whatever it shows.
        (unchanged, 19, 10, 20, [7], "P????"),
        (unchanged, 5, 5, 20, [7], "P????"),
        (unchanged, 4, 3, 20, [6], "P????"),
        (unchanged, 5, 4, 20, [6], "P????"),
        (unchanged, 0, 0, 20, [6], "P????"),
        (absent_root, 19, 19, 20, [7], "P????"),
        (foreign_code, 19, 19, 20, [6], "P????"),
        (no_code, 19, 19, 20, [6], "P????"),
        # One that has come to it, and no further, does.
        (unchanged, 20, 19, 21, [7], "P????"),
        (unchanged, 20, 20, 0, [], "PPPPP"),
        (unchanged, 20, 4, 21, [6], "P????"),
        (absent_root, 20, 19, 11, [7], "PFFFF"),
        (foreign_code, 20, 19, 12, [6], "PFFFF"),
        (no_code, 20, 19, 12, [6], "PFFFF"),
    ],
)
def test_a_node_behind_the_receipts_anchor_decides_nothing(
    lie: Callable[[World], None],
    latest: int,
    final: int,
    code: int,
    steps: list[int],
    claims: str,
    pinned: bool,
) -> None:
    world = behind(World(), latest=latest, final=final)
    lie(world)
    report = judged(world) if pinned else unpinned(world)
    expect(report, code, steps, claims)
    assert len(report.proven) == (0 if code else 1)
    if latest < 20:
        assert type(report.error) is CannotCheckError
        assert report.error.message == (
            f"the node has reached only block {latest} (time {1_790_000_000 + 12 * latest}); the "
            "receipt's anchor is in block 20 (time 1790000240)"
        )
        assert report.error.hint is not None
        assert "caught up with its chain" in report.error.hint


def test_a_node_behind_is_asked_for_nothing_but_its_latest_block() -> None:
    world = behind(World(), latest=19, final=10)
    judged(world)
    assert world.main.reads == [*(what for what, _, _ in READS[:5]), "latest block", "storage"]


def test_a_promise_names_no_block_that_a_node_could_be_behind() -> None:
    world = behind(World(), latest=19, final=10)
    expect(judged(world, world.receipt(INDEX)), 21, [7], "P????")
    foreign_code(world)
    expect(judged(world, world.receipt(INDEX)), 12, [6], "PFFFF")


def test_a_block_the_chain_has_not_come_to_makes_no_absent_root_pass_or_final() -> None:
    # The time is the receipt's word: overstated, it leaves open what would have failed.
    world = World()
    newest = world.main.block(45)
    ahead = re_anchored(honest(world), timestamp=newest.timestamp + 1)
    expect(judged(world, ahead), 10, [8], "PPFFP")
    absent_root(world)
    expect(judged(world, ahead), 20, [7], "P????")
    there = re_anchored(honest(world), timestamp=newest.timestamp, block_number=45)
    expect(judged(world, there), 11, [7], "PFFFF")
    # Of two blocks of one time the number tells which is the later.
    later = re_anchored(honest(world), timestamp=newest.timestamp, block_number=46)
    expect(judged(world, later), 20, [7], "P????")


@pytest.mark.parametrize("number", [1, 19, 21, 41, 46, 23_000_000, 2**48 - 1])
@pytest.mark.parametrize("is_proven", [False, True])
def test_a_rollups_registry_may_count_its_parents_blocks(number: int, is_proven: bool) -> None:
    world = World()
    world.rewrite(world.word(block_number=number))
    anchor = world.anchor(INDEX, SIZE)
    anchor = dataclasses.replace(anchor, block_number=number)
    if is_proven:
        anchor = world.prove(anchor)
    named = {parse_header(anchor.state.header).hash} if anchor.state else ()
    receipt = world.receipt(INDEX, anchor)
    for judge_it in (judged, unpinned):
        report = judge_it(world, receipt, block_hashes=named, offline=is_proven)
        expect(report, 0, [], "PPPPP")
    stated = re_anchored(receipt, block_number=20 if number != 20 else 21)
    expect(judged(world, stated, block_hashes=named, offline=is_proven), 10, [8], "PPFFP")


@given(st.binary(min_size=32, max_size=32))
def test_no_other_storage_word_than_the_honest_one_verifies(word: bytes) -> None:
    world = World()
    world.rewrite(word)
    report = judged(world)
    assert (report.exit_code is ExitCode.DONE) == (word == world.word())


@given(
    size=st.integers(8, 10),
    sequence=st.integers(1, 3),
    block_number=st.integers(19, 21),
    operator_id=st.integers(0, 3),
)
def test_no_anchor_close_to_the_honest_one_verifies(
    size: int, sequence: int, block_number: int, operator_id: int
) -> None:
    world = World()
    stored = world.stored(world.main, SIZE)
    near = Anchor(
        size=size,
        sequence=sequence,
        block_number=block_number,
        timestamp=stored.timestamp,
        operator_id=operator_id,
    )
    world.rewrite(encode_anchor(near))
    differs = dataclasses.replace(near, operator_id=stored.operator_id) != stored
    unaccepted = operator_id == 3
    report = judged(world)
    assert failing_steps(report) == [8] * differs + [9] * unaccepted
    assert (report.exit_code is ExitCode.DONE) == (not differs and not unaccepted)


@pytest.mark.fault(
    "K7",
    how="the policy counts blocks instead of the `finalized` tag",
    then="the block it counts to is read, and no other",
)
@pytest.mark.parametrize(
    ("rule", "code", "steps", "claims"),
    [
        ("finalized", 0, [], "PPPPP"),
        (0, 0, [], "PPPPP"),
        (25, 0, [], "PPPPP"),
        (26, 21, [7], "P????"),
        (41, 21, [6], "P????"),
    ],
)
def test_the_policys_finality_rule_chooses_the_block_that_is_read(
    rule: FinalityRule, code: int, steps: list[int], claims: str
) -> None:
    world = World()
    entry = dataclasses.replace(world.entry(), finality=rule)
    report = judged(world, policy=world.policy(entry))
    expect(report, code, steps, claims)
    assert world.main.reads[2] == f"final block by {rule}"


@pytest.mark.parametrize("has_state", [False, True])
def test_a_block_that_only_the_policy_treats_as_final_is_called_so(has_state: bool) -> None:
    world = World()
    entry = dataclasses.replace(world.entry(), finality=25 if not has_state else 0)
    anchor = world.anchor(INDEX, SIZE)
    receipt = world.receipt(INDEX, world.prove(anchor) if has_state else anchor)
    sentence = f"treated as final by the trust policy (finality = {entry.finality})"
    for policy, is_treated in ((world.policy(entry), True), (world.policy(), False)):
        report = judged(world, receipt, policy=policy)
        assert report.exit_code is ExitCode.DONE
        (step,) = [step for step in report.steps if step.number == 7]
        (claim,) = [claim for claim in report.claims if claim.id == "C3"]
        for text in (step.detail, claim.reason):
            assert (sentence in text and "did not confirm" in text) == is_treated
        document = describe_report("f", report).model_dump(mode="json")["anchors"][0]
        assert document.get("final_after_blocks") == (entry.finality if is_treated else None)
        assert ("final_after_blocks" in document) == is_treated
