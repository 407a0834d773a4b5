"""setOperator(log, key, id)."""

from __future__ import annotations

from typing import Any

import pytest
from support.contract_log import NO_ADDRESS, anchor_sizes, emitted, log_id, refused, root_of


@pytest.fixture
def log(owner: Any) -> bytes:
    return log_id(owner, 7)


def test_set_operator_refuses_a_stranger(
    registry: Any, log: bytes, operator: Any, stranger: Any
) -> None:
    with refused(registry.NotOwner, log=log, caller=stranger.address):
        registry.setOperator(log, operator, 1, sender=stranger)


def test_set_operator_refuses_an_operator(
    registry: Any, log: bytes, owner: Any, operator: Any, stranger: Any
) -> None:
    registry.setOperator(log, operator, 1, sender=owner)
    with refused(registry.NotOwner, log=log, caller=operator.address):
        registry.setOperator(log, stranger, 2, sender=operator)


def test_set_operator_refuses_a_closed_log(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    new_log = log_id(owner, 8)
    anchor_sizes(registry, owner, log, 3)
    registry.succeed(log, root_of(3), new_log, sender=owner)
    with refused(registry.LogClosed, log=log, successor=new_log):
        registry.setOperator(log, operator, 1, sender=owner)


@pytest.mark.parametrize("number", [0, 1])
def test_set_operator_refuses_the_zero_address(
    registry: Any, log: bytes, owner: Any, number: int
) -> None:
    with refused(registry.InvalidOperatorKey, log=log, key=NO_ADDRESS):
        registry.setOperator(log, NO_ADDRESS, number, sender=owner)


@pytest.mark.parametrize("number", [0, 1])
def test_set_operator_refuses_the_owner_as_operator(
    registry: Any, log: bytes, owner: Any, number: int
) -> None:
    with refused(registry.InvalidOperatorKey, log=log, key=owner.address):
        registry.setOperator(log, owner, number, sender=owner)


def test_set_operator_refuses_to_repeat_an_authorisation(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log, operator, 5, sender=owner)
    with refused(registry.OperatorUnchanged, log=log, key=operator.address, id=5):
        registry.setOperator(log, operator, 5, sender=owner)


def test_set_operator_refuses_to_remove_who_is_no_operator(
    registry: Any, log: bytes, owner: Any, stranger: Any
) -> None:
    with refused(registry.OperatorUnchanged, log=log, key=stranger.address, id=0):
        registry.setOperator(log, stranger, 0, sender=owner)


def test_set_operator_refuses_an_id_of_another_key(
    registry: Any, log: bytes, owner: Any, operator: Any, stranger: Any
) -> None:
    registry.setOperator(log, operator, 5, sender=owner)
    with refused(registry.OperatorIdTaken, log=log, id=5, key=operator.address):
        registry.setOperator(log, stranger, 5, sender=owner)


def test_set_operator_refuses_an_id_whose_key_was_removed(
    registry: Any, log: bytes, owner: Any, operator: Any, stranger: Any
) -> None:
    registry.setOperator(log, operator, 5, sender=owner)
    registry.setOperator(log, operator, 0, sender=owner)
    with refused(registry.OperatorIdTaken, log=log, id=5, key=operator.address):
        registry.setOperator(log, stranger, 5, sender=owner)


def test_set_operator_gives_a_key_its_id(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    receipt = registry.setOperator(log, operator, 5, sender=owner)
    assert registry.operatorId(log, operator) == 5
    assert registry.operatorKey(log, 5) == operator.address
    operands = {"log": log, "key": operator.address, "id": 5}
    assert emitted(receipt) == [("OperatorSet", operands)]


def test_set_operator_gives_a_second_key_another_id(
    registry: Any, log: bytes, owner: Any, operator: Any, stranger: Any
) -> None:
    registry.setOperator(log, operator, 5, sender=owner)
    registry.setOperator(log, stranger, 6, sender=owner)
    assert registry.operatorId(log, operator) == 5
    assert registry.operatorId(log, stranger) == 6


def test_set_operator_gives_a_key_another_id_and_keeps_the_old_one_taken(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log, operator, 5, sender=owner)
    registry.setOperator(log, operator, 6, sender=owner)
    assert registry.operatorId(log, operator) == 6
    assert registry.operatorKey(log, 5) == registry.operatorKey(log, 6) == operator.address


def test_set_operator_takes_a_key_back_under_its_old_id(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log, operator, 5, sender=owner)
    registry.setOperator(log, operator, 0, sender=owner)
    registry.setOperator(log, operator, 5, sender=owner)
    assert registry.operatorId(log, operator) == 5
    anchor_sizes(registry, operator, log, 3)


def test_set_operator_keeps_logs_apart(
    registry: Any, log: bytes, owner: Any, operator: Any, stranger: Any
) -> None:
    other = log_id(owner, 8)
    registry.setOperator(log, operator, 5, sender=owner)
    registry.setOperator(other, stranger, 5, sender=owner)
    assert registry.operatorKey(log, 5) == operator.address
    assert registry.operatorKey(other, 5) == stranger.address
    assert registry.operatorId(other, operator) == 0


@pytest.mark.fault(
    "K1",
    how="an operator's key is removed",
    then="it may anchor no more; its id stays its own, for the anchors it made",
)
def test_set_operator_removes_a_key_but_remembers_its_id(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log, operator, 5, sender=owner)
    receipt = registry.setOperator(log, operator, 0, sender=owner)
    assert registry.operatorId(log, operator) == 0
    assert registry.operatorKey(log, 5) == operator.address
    operands = {"log": log, "key": operator.address, "id": 0}
    assert emitted(receipt) == [("OperatorSet", operands)]
