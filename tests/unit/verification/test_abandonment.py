"""Anchors that their owner left behind with ``succeed``: said in every verdict that can know it.

An abandoned anchor ends step 9, and C6 alone: what existed by then, existed by then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from support.world import INDEX, REGISTRY, SIZE, MemoryChain, World, expect, honest, judged

from anchor.base.errors import AbandonedError, CannotCheckError, ExitCode
from anchor.ethereum.header import parse_header
from anchor.receipt.format import Receipt, encode_receipt, parse_receipt
from anchor.receipt.state_proof import SuccessorProof, Takeover
from anchor.registry.storage import operator_key_slot, successor_slot
from anchor.verification.report import Report, severest_code

UNKNOWN = "whether the log's owner has abandoned this anchor since"


def proven(world: World, *, at: int = 40, takeover: int | None = None) -> Receipt:
    anchor = world.prove(world.anchor(INDEX, SIZE), at=at, successor=True, takeover=takeover)
    return world.receipt(INDEX, anchor)


def with_successor(receipt: Receipt, successor: SuccessorProof | None) -> Receipt:
    state = receipt.anchors[0].state
    assert state is not None
    anchor = dataclasses.replace(
        receipt.anchors[0], state=dataclasses.replace(state, successor=successor)
    )
    return dataclasses.replace(receipt, anchors=(anchor,))


def successor_of(receipt: Receipt) -> SuccessorProof:
    state = receipt.anchors[0].state
    assert state is not None
    assert state.successor is not None
    return state.successor


def offline(world: World, receipt: Receipt) -> Report:
    state = receipt.anchors[0].state
    assert state is not None
    return judged(world, receipt, block_hashes={parse_header(state.header).hash}, offline=True)


def test_the_code_is_a_failure_less_grave_than_a_root_that_is_not_there() -> None:
    order = [10, 12, 11, 13, 2, 22, 20, 21, 0]
    for at, code in enumerate(order):
        assert severest_code([ExitCode(each) for each in order[at:]]) == code


# What a receipt proves


def test_a_proof_of_absence_means_not_abandoned_as_of_that_block() -> None:
    world = World()
    report = offline(world, proven(world))
    expect(report, 0, [], "PPPPP")
    assert report.steps[8].detail.endswith("; not abandoned as of block 40")
    assert UNKNOWN not in report.not_proven
    # Closed later than the proof: it cannot know, and says of which block it speaks.
    world = World()
    world.close(world.main, 4, block=39)
    report = offline(world, proven(world, at=38))
    expect(report, 0, [], "PPPPP")
    assert report.steps[8].detail.endswith("; not abandoned as of block 38")


def test_without_a_proof_of_the_successor_that_is_left_open() -> None:
    world = World()
    report = offline(world, with_successor(proven(world), None))
    expect(report, 0, [], "PPPPP")
    assert report.not_proven[-1] == UNKNOWN


@pytest.mark.parametrize(("taken", "code"), [(4, 13), (9, 0), (13, 0)])
def test_a_proven_takeover_decides(taken: int, code: int) -> None:
    world = World()
    world.close(world.main, taken)
    report = offline(world, proven(world, takeover=taken))
    expect(report, code, [9] if code else [], "PPPPF" if code else "PPPPP")
    assert UNKNOWN not in report.not_proven
    if code:
        assert isinstance(report.error, AbandonedError)
        assert "continues the log from size 4" in report.error.message
    else:
        assert f"its successor continues from size {taken}, which covers this" in (
            report.steps[8].detail
        )


def no_takeover(world: World) -> Receipt:
    world.close(world.main, 4)
    return proven(world)


def takeover_of_nothing(world: World) -> Receipt:
    world.close(world.main, 4)
    receipt = proven(world, takeover=4)
    world.main.storage.clear()
    return with_successor(proven(World()), successor_of(receipt))


def takeover_without_successor(world: World) -> Receipt:
    receipt = proven(world)
    takeover = Takeover(root=world.tree.root(4), proof=successor_of(receipt).proof)
    return with_successor(receipt, dataclasses.replace(successor_of(receipt), takeover=takeover))


def takeover_of_another_head(world: World) -> Receipt:
    world.close(world.main, 4)
    return proven(world, takeover=13)


def takeover_of_a_later_anchor(world: World) -> Receipt:
    successor = world.close(world.main, 4)
    second = dataclasses.replace(world.stored(world.main, 13), sequence=2, size=13)
    world.main.store_anchor(successor, world.tree.root(13), second)
    return proven(world, takeover=13)


def other_proof(world: World) -> Receipt:
    receipt = proven(world)
    storage = receipt.anchors[0].state
    assert storage is not None
    return with_successor(receipt, SuccessorProof(proof=storage.storage_proof))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (no_takeover, 20),
        (takeover_without_successor, 2),
        (takeover_of_another_head, 12),
        (takeover_of_a_later_anchor, 12),
        (takeover_of_nothing, 10),
    ],
)
def test_a_bent_proof_of_the_successor_ends_step_9(
    make: Callable[[World], Receipt], code: int
) -> None:
    world = World()
    receipt = make(world)
    report = offline(World() if make is takeover_of_nothing else world, receipt)
    expect(report, code, [9], "PPPP?" if code == 20 else "PPPPF")


def test_a_proof_of_another_slot_proves_no_successor() -> None:
    world = World()
    report = offline(world, other_proof(world))
    assert report.exit_code in (2, 10)
    assert [step.number for step in report.steps if step.error] == [9]


def test_a_receipt_keeps_its_successor_proof_byte_for_byte() -> None:
    world = World()
    world.close(world.main, 4)
    for receipt in (proven(world), proven(world, takeover=4)):
        assert parse_receipt(encode_receipt(receipt)) == receipt


# What nodes say


def close(world: World, taken: int, *, told: bool = True, block: int = 35) -> World:
    world.close(world.main, taken, told=told, block=block)
    return world


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("taken", "code"), [(4, 13), (9, 0), (13, 0)])
def test_nodes_are_asked_at_the_same_final_block(taken: int, code: int, told: bool) -> None:
    world = close(World(), taken, told=told)
    report = judged(world)
    if taken == 4 and not told:
        # The successor begins neither here nor at the log's end, and no event: an audit finds out.
        expect(report, 20, [9], "PPPP?")
        assert report.error is not None
        assert "anchor audit" in (report.error.hint or "")
    else:
        expect(report, code, [9] if code else [], "PPPPF" if code else "PPPPP")
    assert UNKNOWN not in report.not_proven


def test_the_newest_head_of_a_closed_log_is_abandoned_where_nothing_begins_with_it() -> None:
    world = World()
    world.close(world.main, 4, last=SIZE, told=False)
    expect(judged(world), 13, [9], "PPPPF")


def test_a_closing_that_is_not_final_yet_does_not_count() -> None:
    expect(judged(close(World(), 4, block=42)), 0, [], "PPPPP")


def test_an_event_is_a_hint_and_storage_decides() -> None:
    world = World()
    world.close(world.main, 4)
    world.main.takeovers = {
        (address, log, root): block
        for (address, log, _), block in world.main.takeovers.items()
        for root in (world.tree.root(13), world.tree.root(1), world.tree.root(4))
    }
    expect(judged(world), 13, [9], "PPPPF")
    world.main.takeovers = {
        (address, log, world.tree.root(13)): block
        for (address, log, _), block in world.main.takeovers.items()
    }
    expect(judged(world), 20, [9], "PPPP?")


def test_the_receipts_takeover_is_a_hint_for_nodes_as_well() -> None:
    world = close(World(), 4, told=False)
    receipt = proven(world, takeover=4)
    expect(judged(world, receipt), 13, [9], "PPPPF")


def test_nodes_know_of_a_closing_after_the_proof() -> None:
    world = close(World(), 4, block=39)
    report = judged(world, proven(world, at=38))
    expect(report, 13, [9], "PPPPF")
    # That the log is closed is known; that it abandons the anchor is not.
    world = close(World(), 4, block=39, told=False)
    report = judged(world, proven(world, at=38))
    expect(report, 20, [9], "PPPP?")
    assert report.steps[8].detail.startswith("the log's owner closed it")


@pytest.mark.parametrize("fails_at", range(6))
def test_a_node_that_fails_is_a_note_where_the_receipt_proves_the_rest(fails_at: int) -> None:
    world = World()
    receipt = proven(world)
    state = receipt.anchors[0].state
    assert state is not None
    world.main.fails_at = fails_at
    report = judged(world, receipt, block_hashes={parse_header(state.header).hash})
    expect(report, 0, [], "PPPPP")
    assert len(report.notes) == (1 if fails_at < 4 else 0)


def test_a_node_of_another_chain_says_nothing_of_the_owner() -> None:
    world = World()
    receipt = proven(world)
    state = receipt.anchors[0].state
    assert state is not None
    impostor = MemoryChain(world.main.chain_id, genesis_time=1, storage=world.main.storage)
    impostor.headers[0] = b"another genesis"
    report = judged(
        world,
        receipt,
        connect=lambda _: impostor,
        block_hashes={parse_header(state.header).hash},
    )
    expect(report, 0, [], "PPPPP")
    assert "another chain with the same chain id" in report.notes[0]


def test_an_abandoned_anchor_leaves_the_other_claims_as_they_are() -> None:
    world = close(World(), 4)
    report = judged(world)
    expect(report, 13, [9], "PPPPF")
    assert report.proven == ()
    assert honest(world).anchors[0].head.size == SIZE
    assert not isinstance(report.error, CannotCheckError)


# All of step 9 is made


def without_operator(receipt: Receipt) -> Receipt:
    """Leave out the proof of the key, so that step 9 cannot tell whose it was."""
    state = receipt.anchors[0].state
    assert state is not None
    anchor = dataclasses.replace(
        receipt.anchors[0], state=dataclasses.replace(state, operator_proof=())
    )
    return dataclasses.replace(receipt, anchors=(anchor,))


def test_a_key_that_is_not_proven_hides_no_abandonment() -> None:
    world = close(World(), 4)
    expect(offline(world, without_operator(proven(world, takeover=4))), 13, [9], "PPPPF")
    covered = close(World(), 9)
    expect(offline(covered, without_operator(proven(covered, takeover=9))), 20, [9], "PPPP?")
    # Nor one that nodes know of.
    world = close(World(), 4, block=39)
    expect(judged(world, without_operator(proven(world, at=38))), 13, [9], "PPPPF")


def test_a_key_that_a_node_does_not_show_hides_no_abandonment() -> None:
    world = close(World(), 4)
    world.main.storage[REGISTRY, operator_key_slot(world.log, 1)] = []
    expect(judged(world), 13, [9], "PPPPF")


@pytest.mark.parametrize(("taken", "told", "code"), [(4, True, 13), (9, True, 0), (4, False, 20)])
def test_what_a_proof_leaves_open_nodes_can_tell(taken: int, told: bool, code: int) -> None:
    """The receipt shows that the log was closed, and not from where it goes on."""
    world = close(World(), taken, told=told)
    receipt = proven(world)
    expect(offline(world, receipt), 20, [9], "PPPP?")
    verdicts = {0: "PPPPP", 13: "PPPPF", 20: "PPPP?"}
    expect(judged(world, receipt), code, [9] if code else [], verdicts[code])


def test_what_a_proof_says_wrongly_no_node_makes_right() -> None:
    world = World()
    expect(judged(world, takeover_without_successor(world)), 2, [9], "PPPPF")


def test_what_a_proof_shows_no_node_that_is_behind_or_lies_takes_back() -> None:
    """No log is opened again: a node that knows of no closing is behind, or lies."""
    world = close(World(), 4, block=38)
    receipt = proven(world)
    state = receipt.anchors[0].state
    assert state is not None
    named = {parse_header(state.header).hash}
    world.main.final = 36
    expect(judged(world, receipt, block_hashes=named), 20, [9], "PPPP?")
    world.main.final = 40
    del world.main.storage[REGISTRY, successor_slot(world.log)]
    expect(judged(world, receipt, block_hashes=named), 20, [9], "PPPP?")
    expect(judged(world, receipt), 20, [9], "PPPP?")
