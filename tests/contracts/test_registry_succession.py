"""succeed(oldLog, fromRoot, newLog)."""

from __future__ import annotations

from typing import Any

import pytest
from support.contract_log import (
    CLOSED,
    ZERO,
    anchor_sizes,
    emitted,
    log_id,
    refused,
    root_of,
)


@pytest.fixture
def old_log(registry: Any, owner: Any) -> bytes:
    """A log with anchors over 3, 5 and 8 leaves."""
    log = log_id(owner, 7)
    anchor_sizes(registry, owner, log, 3, 5, 8)
    return log


@pytest.fixture
def new_log(owner: Any) -> bytes:
    return log_id(owner, 8)


def test_succeed_refuses_a_stranger(
    registry: Any, old_log: bytes, new_log: bytes, stranger: Any
) -> None:
    with refused(registry.NotOwner, log=old_log, caller=stranger.address):
        registry.succeed(old_log, root_of(5), new_log, sender=stranger)


def test_succeed_refuses_an_operator(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(old_log, operator, 1, sender=owner)
    with refused(registry.NotOwner, log=old_log, caller=operator.address):
        registry.succeed(old_log, root_of(5), new_log, sender=operator)


def test_succeed_refuses_a_new_log_of_another_owner(
    registry: Any, old_log: bytes, owner: Any, stranger: Any
) -> None:
    foreign = log_id(stranger, 8)
    with refused(registry.NotOwner, log=foreign, caller=owner.address):
        registry.succeed(old_log, root_of(5), foreign, sender=owner)


def test_succeed_refuses_a_closed_log(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    registry.succeed(old_log, root_of(5), new_log, sender=owner)
    with refused(registry.LogClosed, log=old_log, successor=new_log):
        registry.succeed(old_log, root_of(8), log_id(owner, 9), sender=owner)


def test_succeed_refuses_a_root_that_was_never_anchored(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    with refused(registry.NotAnchored, log=old_log, root=root_of(4)):
        registry.succeed(old_log, root_of(4), new_log, sender=owner)


@pytest.mark.parametrize("root", [ZERO, CLOSED])
def test_succeed_refuses_the_words_that_are_no_roots(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any, root: bytes
) -> None:
    with refused(registry.NotAnchored, log=old_log, root=root):
        registry.succeed(old_log, root, new_log, sender=owner)


def test_succeed_refuses_a_root_of_another_log(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    anchor_sizes(registry, owner, log_id(owner, 9), 13)
    with refused(registry.NotAnchored, log=old_log, root=root_of(13)):
        registry.succeed(old_log, root_of(13), new_log, sender=owner)


def test_succeed_refuses_the_same_log(registry: Any, old_log: bytes, owner: Any) -> None:
    with refused(registry.SuccessorInUse, log=old_log):
        registry.succeed(old_log, root_of(5), old_log, sender=owner)


def test_succeed_refuses_a_log_with_a_head(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    anchor_sizes(registry, owner, new_log, 13)
    with refused(registry.SuccessorInUse, log=new_log):
        registry.succeed(old_log, root_of(5), new_log, sender=owner)


def test_succeed_refuses_a_log_that_is_closed_itself(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    anchor_sizes(registry, owner, new_log, 13)
    registry.succeed(new_log, root_of(13), log_id(owner, 9), sender=owner)
    with refused(registry.SuccessorInUse, log=new_log):
        registry.succeed(old_log, root_of(5), new_log, sender=owner)


def test_succeed_refuses_a_log_that_succeeded_another(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    third = log_id(owner, 9)
    anchor_sizes(registry, owner, third, 13)
    registry.succeed(third, root_of(13), new_log, sender=owner)
    with refused(registry.SuccessorInUse, log=new_log):
        registry.succeed(old_log, root_of(5), new_log, sender=owner)


@pytest.mark.parametrize("size", [3, 5, 8])
def test_succeed_opens_the_new_log_from_any_anchor(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any, size: int
) -> None:
    receipt = registry.succeed(old_log, root_of(size), new_log, sender=owner)
    stored = (size, 1, receipt.block_number, receipt.timestamp, 0)
    assert tuple(registry.anchorOf(new_log, root_of(size))) == stored
    assert registry.headOf(new_log)[0] == root_of(size)
    assert registry.successorOf(new_log) == ZERO
    assert registry.predecessorOf(new_log) == old_log


def test_succeed_takes_the_owners_id_though_an_operator_anchored(
    registry: Any, new_log: bytes, owner: Any, operator: Any
) -> None:
    log = log_id(owner, 20)
    registry.setOperator(log, operator, 1, sender=owner)
    anchor_sizes(registry, operator, log, 3)
    registry.succeed(log, root_of(3), new_log, sender=owner)
    assert registry.anchorOf(log, root_of(3)).operatorId == 1
    assert registry.anchorOf(new_log, root_of(3)).operatorId == 0


def test_succeed_closes_the_old_log_and_keeps_its_anchors(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    before = [tuple(registry.anchorOf(old_log, root_of(size))) for size in (3, 5, 8)]
    registry.succeed(old_log, root_of(5), new_log, sender=owner)
    assert registry.successorOf(old_log) == new_log
    assert registry.predecessorOf(old_log) == ZERO
    after = [tuple(registry.anchorOf(old_log, root_of(size))) for size in (3, 5, 8)]
    assert after == before


def test_succeed_leaves_the_last_head_of_the_old_log_to_be_read(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    before = registry.headOf(old_log)
    assert before[0] == root_of(8)
    registry.succeed(old_log, root_of(3), new_log, sender=owner)
    assert registry.headOf(old_log) == before
    assert registry.headOf(new_log)[0] == root_of(3)


def test_succeed_reports_both_logs(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any
) -> None:
    receipt = registry.succeed(old_log, root_of(5), new_log, sender=owner)
    closed = {"oldLog": old_log, "newLog": new_log, "fromRoot": root_of(5), "size": 5}
    opened = {
        "log": new_log,
        "root": root_of(5),
        "size": 5,
        "sequence": 1,
        "previousRoot": ZERO,
    }
    assert emitted(receipt) == [("Succeeded", closed), ("Anchored", opened)]


def test_succeed_gives_no_operator_of_the_old_log_a_say_in_the_new_one(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(old_log, operator, 1, sender=owner)
    registry.succeed(old_log, root_of(5), new_log, sender=owner)
    with refused(registry.NotAuthorised, log=new_log, caller=operator.address):
        anchor_sizes(registry, operator, new_log, 8, after=5)


def test_succeed_lets_the_new_log_grow_and_be_succeeded_in_turn(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any, operator: Any
) -> None:
    registry.succeed(old_log, root_of(5), new_log, sender=owner)
    registry.setOperator(new_log, operator, 1, sender=owner)
    anchor_sizes(registry, operator, new_log, 13, after=5)
    assert registry.anchorOf(new_log, root_of(13)).sequence == 2
    third = log_id(owner, 9)
    registry.succeed(new_log, root_of(13), third, sender=owner)
    assert registry.successorOf(new_log) == third
    assert registry.predecessorOf(third) == new_log
    assert registry.predecessorOf(new_log) == old_log


@pytest.mark.fault(
    "I5",
    how="a stolen key anchors a size that nobody can go on from",
    then="the owner goes on in a new log from any earlier anchor",
)
def test_succeed_is_not_blocked_by_what_a_stolen_key_anchors(
    registry: Any, old_log: bytes, new_log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(old_log, operator, 1, sender=owner)
    # The thief extends the log honestly, to a size nobody can prove a step from any more.
    anchor_sizes(registry, operator, old_log, 64, after=8)
    with refused(registry.NotAuthorised, log=new_log, caller=operator.address):
        registry.anchor(new_log, root_of(8), 8, [], sender=operator)
    registry.succeed(old_log, root_of(8), new_log, sender=owner)
    assert registry.headOf(new_log)[0] == root_of(8)
