"""Verification by the receipt's own state proof: who answers for the block, and what is bent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NoReturn

import pytest
from support.world import (
    INDEX,
    KEYS,
    MAIN,
    REGISTRY,
    SIDE,
    SIZE,
    World,
    expect,
    hash_of,
    judged,
    re_anchored,
)

from anchor.base.errors import CannotCheckError, NotTrustedError
from anchor.base.types import Assurance, Hash32
from anchor.ethereum.header import parse_header
from anchor.receipt.format import Receipt
from anchor.receipt.state_proof import StateProof
from anchor.registry.storage import operator_key_slot
from anchor.verification.report import Report


def proven(world: World, *, size: int = SIZE, at: int = 40) -> Receipt:
    """Return the honest receipt with its state proof."""
    return world.receipt(INDEX, world.prove(world.anchor(INDEX, size), at=at))


def hash_in(receipt: Receipt) -> Hash32:
    return parse_header(state_of(receipt).header).hash


def state_of(receipt: Receipt) -> StateProof:
    state = receipt.anchors[0].state
    assert state is not None
    return state


def with_state(receipt: Receipt, **changes: object) -> Receipt:
    changed = dataclasses.replace(state_of(receipt), **changes)  # type: ignore[arg-type]
    return re_anchored(receipt, state=changed)


def offline(world: World, receipt: Receipt) -> Report:
    """Judge by the hash of the block in the receipt, as if the verifier had found it out."""
    return judged(world, receipt, block_hashes={hash_in(receipt)}, offline=True)


@pytest.mark.parametrize("size", [4, 9, 13])
def test_a_named_block_is_enough_and_no_node_is_asked(size: int) -> None:
    world = World()
    receipt = (
        proven(world, size=13)
        if size == 13
        else world.receipt(2, world.prove(world.anchor(2, size)))
    )
    index = receipt.index
    report = judged(
        world,
        receipt,
        evidence=world.evidence(index),
        block_hashes={hash_of("another"), hash_in(receipt)},
        offline=True,
    )
    expect(report, 0, [], "PPPPP")
    found = report.proven[0]
    assert (found.assurance, found.is_asserted, found.final_block_number) == ("asserted", True, 40)
    assert found.final_block_hash == hash_in(receipt)
    assert found.submitter == {4: world.log[12:], 9: KEYS[1], 13: KEYS[2]}[size]
    assert world.asked == []
    assert "was asserted, not observed" in report.steps[6].detail


def test_a_named_block_is_believed_and_nodes_are_asked_for_the_owner_only() -> None:
    world = World()
    receipt = proven(world)
    report = judged(world, receipt, block_hashes={hash_in(receipt)})
    expect(report, 0, [], "PPPPP")
    assert report.proven[0].assurance == "asserted"
    assert world.main.reads == ["chain id", "genesis", "final block by finalized", "storage"]
    assert report.steps[8].detail.endswith("; not abandoned as of block 40")


def test_the_policy_can_name_blocks() -> None:
    world = World()
    receipt = proven(world)
    entry = dataclasses.replace(world.entry(), block_hashes=(hash_in(receipt),))
    report = judged(world, receipt, policy=world.policy(entry), offline=True)
    expect(report, 0, [], "PPPPP")
    assert "the policy names" in report.steps[4].detail
    assert (report.proven[0].assurance, report.proven[0].is_asserted) == ("proof", True)
    # The policy's word is worth more than what is typed beside a receipt.
    report = judged(
        world,
        receipt,
        policy=world.policy(dataclasses.replace(entry, assurance="proof")),
        block_hashes={hash_in(receipt)},
        offline=True,
    )
    expect(report, 0, [], "PPPPP")
    assert "genesis block was not compared" in report.steps[4].detail


@pytest.mark.parametrize(("needed", "reached"), [(1, "rpc"), (2, "proof")])
def test_nodes_answer_for_the_block_and_nothing_else_is_read(
    needed: int, reached: Assurance
) -> None:
    world = World()
    world.main.needed = needed
    report = judged(world, proven(world, at=33))
    expect(report, 0, [], "PPPPP")
    assert [(found.assurance, found.is_asserted) for found in report.proven] == [(reached, False)]
    assert set(world.main.reads) == {
        "chain id",
        "genesis",
        "final block by finalized",
        "block 33",
        "storage",  # whether the owner has abandoned the anchor since
    }
    assert world.main.reads.count("storage") == 1


def test_without_anybody_to_answer_for_the_block_nothing_is_told() -> None:
    world = World()
    receipt = proven(world)
    report = judged(world, receipt, offline=True)
    expect(report, 20, [5], "P????")
    report = judged(world, receipt, block_hashes={hash_of("another")}, offline=True)
    expect(report, 20, [5], "P????")
    assert hash_in(receipt).hex() in report.steps[4].detail


@pytest.mark.parametrize("by", ["option", "policy", "both"])
@pytest.mark.parametrize("is_offline", [False, True])
def test_a_named_hash_of_no_such_block_decides_though_nodes_vouch(
    by: str, is_offline: bool
) -> None:
    world = World()
    receipt = proven(world)
    expect(judged(world, receipt), 0, [], "PPPPP")
    other = hash_of("another")
    entry = dataclasses.replace(world.entry(), block_hashes=() if by == "option" else (other,))
    policy = world.policy(entry)
    named = [] if by == "policy" else [other]
    world.asked.clear()
    report = judged(world, receipt, policy=policy, block_hashes=named, offline=is_offline)
    expect(report, 20, [5], "P????")
    assert world.asked == []
    for words in (f"0x{other.hex()}", f"block 40, 0x{hash_in(receipt).hex()}"):
        assert words in report.steps[4].detail
    # One of several is enough, whoever named it.
    report = judged(
        world, receipt, policy=policy, block_hashes=[*named, hash_in(receipt)], offline=is_offline
    )
    expect(report, 0, [], "PPPPP")


def test_a_named_hash_does_not_stop_nodes_that_the_policy_demands() -> None:
    world = World()
    world.main.needed = 2
    receipt = proven(world)
    entry = dataclasses.replace(
        world.entry(), assurance="proof", block_hashes=(hash_of("another"),)
    )
    report = judged(world, receipt, policy=world.policy(entry), block_hashes={hash_in(receipt)})
    expect(report, 0, [], "PPPPP")


@pytest.mark.parametrize("by", ["option", "policy"])
def test_a_named_hash_that_nothing_compares_is_reported(by: str) -> None:
    world = World()
    other = hash_of("another")
    entry = dataclasses.replace(world.entry(), block_hashes=() if by == "option" else (other,))
    named = [] if by == "policy" else [other]
    report = judged(world, policy=world.policy(entry), block_hashes=named)
    expect(report, 0, [], "PPPPP")
    (note,) = report.notes
    assert f"({'0x' + other.hex()}) were compared with nothing" in note


def test_offline_a_receipt_without_a_state_proof_tells_nothing() -> None:
    world = World()
    report = judged(world, offline=True, block_hashes={world.main.block(40).hash})
    expect(report, 20, [5], "P????")
    assert "holds no state proof" in report.steps[4].detail


def test_nodes_that_know_another_block_of_that_number_delay_the_verdict() -> None:
    """As for the proof of an orphaned block, and for a node on a fork."""
    world = World()
    receipt = proven(world, at=33)
    world.main.headers.clear()
    expect(judged(world, receipt), 20, [5], "P????")


def test_a_block_that_is_not_final_to_the_nodes_is_not_final() -> None:
    world = World()
    receipt = proven(world, at=42)
    expect(judged(world, receipt), 21, [5], "P????")
    world.main.final = 42
    expect(judged(world, receipt), 0, [], "PPPPP")


def test_nodes_that_agree_about_the_block_are_a_proof_to_the_policy() -> None:
    world = World()
    world.main.needed = 2
    policy = world.policy(dataclasses.replace(world.entry(), assurance="proof"))
    expect(judged(world, proven(world), policy=policy), 0, [], "PPPPP")
    # Without a state proof they are several words, and no more.
    expect(judged(world, policy=policy), 20, [5], "P????")


@pytest.mark.parametrize("asked", ["rpc", "quorum", "asserted", "proof"])
def test_one_nodes_word_for_the_block_is_no_more_than_its_word(asked: Assurance) -> None:
    world = World()
    policy = world.policy(dataclasses.replace(world.entry(), assurance=asked))
    receipt = proven(world)
    report = judged(world, receipt, policy=policy)
    expect(report, *((0, [], "PPPPP") if asked == "rpc" else (20, [5], "P????")))
    named = judged(world, receipt, policy=policy, block_hashes={hash_in(receipt)}, offline=True)
    # A hash typed beside the receipt is no proof to a policy that asks for one.
    expect(named, *((20, [5], "P????") if asked == "proof" else (0, [], "PPPPP")))


def other_account(world: World, receipt: Receipt) -> Receipt:
    stranger = world.main.prove(40, hash_of("slot"), registry=OTHER)[0]
    return with_state(receipt, account_proof=stranger.account_proof)


OTHER = type(REGISTRY)(b"\x0b" * 20)


def other_slot(world: World, receipt: Receipt) -> Receipt:
    other = world.prove(world.anchor(INDEX, 13))
    assert other.state is not None
    return with_state(receipt, storage_proof=other.state.storage_proof)


def no_slot(world: World, receipt: Receipt) -> Receipt:
    absent = world.main.prove(40, Hash32(hash_of("never written")))[0]
    return with_state(receipt, storage_proof=absent.storage_proof)


def other_chain(world: World, receipt: Receipt) -> Receipt:
    """The same contract at the same address of another chain, whose code names that chain."""
    other = world.prove(world.anchor(INDEX, SIZE, SIDE))
    return re_anchored(receipt, state=other.state)


def other_operator(world: World, receipt: Receipt) -> Receipt:
    other = world.prove(world.anchor(INDEX, 13))
    assert other.state is not None
    return with_state(receipt, operator_proof=other.state.operator_proof)


@pytest.mark.fault(
    "H10",
    how="a state proof of another account, another slot, another chain or another operator",
    then="refused (10 or 2), or not trusted (12), at the step whose proof it is",
)
@pytest.mark.parametrize(
    ("bend", "code", "step", "claims"),
    [
        (other_account, 10, 6, "PFFFF"),
        (other_slot, 10, 7, "PFFFF"),
        (no_slot, 2, 7, "PFFFF"),
        (other_chain, 12, 6, "PFFFF"),
        (other_operator, 10, 9, "PPPPF"),
    ],
)
def test_proofs_of_something_else_prove_nothing(
    bend: Callable[[World, Receipt], Receipt], code: int, step: int, claims: str
) -> None:
    world = World()
    world.main.code[OTHER] = (1, hash_of("another contract"))
    bent = bend(world, proven(world))
    expect(offline(world, bent), code, [step], claims)


def test_a_root_that_the_registry_never_held_is_not_anchored() -> None:
    world = World()
    world.rewrite(None)
    report = offline(world, proven(world))
    expect(report, 11, [7], "PFFFF")


def test_the_key_of_an_operator_is_proven_or_not_told() -> None:
    world = World()
    receipt = proven(world)
    report = offline(world, with_state(receipt, operator_proof=()))
    expect(report, 20, [9], "PPPP?")
    assert report.proven == ()
    slot = operator_key_slot(world.log, 1)
    for key in (bytes(32), b"\1" + bytes(11) + KEYS[1]):
        other = World()
        other.main.storage[REGISTRY, slot] = [(6, key)]
        expect(offline(other, proven(other)), 12, [9], "PPPPF")
    by_owner = world.receipt(2, world.prove(world.anchor(2, 4)))
    added = with_state(by_owner, operator_proof=state_of(receipt).operator_proof)
    report = judged(
        world,
        added,
        evidence=world.evidence(2),
        block_hashes={hash_in(added)},
        offline=True,
    )
    expect(report, 2, [9], "PPPPF")


def test_an_operator_that_the_policy_does_not_accept_is_not_trusted() -> None:
    world = World()
    receipt = proven(world)
    policy = world.policy(dataclasses.replace(world.entry(), operators=()))
    report = judged(world, receipt, policy=policy, block_hashes={hash_in(receipt)}, offline=True)
    expect(report, 12, [9], "PPPPF")
    assert isinstance(report.error, NotTrustedError)


@pytest.mark.parametrize("member", ["sequence", "block_number", "timestamp"])
def test_what_the_receipt_states_must_be_what_it_proves(member: str) -> None:
    world = World()
    receipt = proven(world)
    stated = getattr(receipt.anchors[0], member)
    bent = re_anchored(receipt, **{member: stated + 1})
    expect(offline(world, bent), 10, [8], "PPFFP")


def test_a_node_that_fails_is_not_needed_for_a_named_block() -> None:
    def connect(_: object) -> NoReturn:
        raise CannotCheckError("no node of chain 31337 is known")

    world = World()
    receipt = proven(world)
    report = judged(world, receipt, connect=connect, block_hashes={hash_in(receipt)})
    expect(report, 0, [], "PPPPP")
    unknown = "whether the log's owner has abandoned this anchor since"
    assert report.notes == (f"no node could say {unknown}: no node of chain 31337 is known",)
    assert report.not_proven[-1] == unknown


def test_where_a_proof_is_required_nodes_are_asked_for_a_block_that_only_the_verifier_names() -> (
    None
):
    world = World()
    world.main.needed = 2
    receipt = proven(world)
    policy = world.policy(dataclasses.replace(world.entry(), assurance="proof"))
    report = judged(world, receipt, policy=policy, block_hashes={hash_in(receipt)})
    expect(report, 0, [], "PPPPP")
    assert (report.proven[0].assurance, report.proven[0].is_asserted) == ("proof", False)
    world.main.needed = 1
    report = judged(world, receipt, policy=policy, block_hashes={hash_in(receipt)})
    expect(report, 20, [5], "P????")
    policy = world.policy(dataclasses.replace(world.entry(), assurance="asserted"))
    report = judged(world, receipt, policy=policy, block_hashes={hash_in(receipt)})
    expect(report, 0, [], "PPPPP")
    expect(judged(world, receipt, policy=policy), 20, [5], "P????")


def test_a_bent_proof_is_not_saved_by_an_honest_node() -> None:
    """Otherwise a receipt could be altered in a member that is said to be authenticated."""
    world = World()
    receipt = proven(world)
    state = state_of(receipt)
    node = state.storage_proof[-1]
    bent = with_state(
        receipt, storage_proof=(*state.storage_proof[:-1], node[:-1] + bytes([node[-1] ^ 1]))
    )
    expect(judged(world, bent), 10, [7], "PFFFF")
    assert MAIN in world.chains
