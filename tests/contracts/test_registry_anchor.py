"""anchor(log, root, size, consistencyProof)."""

from __future__ import annotations

from typing import Any

import pytest
from support.contract_log import (
    CLOSED,
    ZERO,
    anchor_sizes,
    emitted,
    log_id,
    proof_between,
    refused,
    root_of,
)
from web3.exceptions import ContractLogicError

LIMIT = 2**48


@pytest.fixture
def log(owner: Any) -> bytes:
    return log_id(owner, 7)


@pytest.mark.fault(
    "I6",
    how="a stranger anchors in our log",
    then="reverts; others' logs are their own",
)
def test_anchor_refuses_a_stranger(registry: Any, log: bytes, stranger: Any) -> None:
    with refused(registry.NotAuthorised, log=log, caller=stranger.address):
        registry.anchor(log, root_of(3), 3, [], sender=stranger)


def test_anchor_refuses_the_owner_of_another_log(
    registry: Any, log: bytes, operator: Any, stranger: Any
) -> None:
    # The same number under another owner is another log.
    anchor_sizes(registry, stranger, log_id(stranger, 7), 3)
    with refused(registry.NotAuthorised, log=log, caller=stranger.address):
        registry.anchor(log, root_of(3), 3, [], sender=stranger)


def test_anchor_refuses_an_operator_of_another_log(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log_id(owner, 8), operator, 1, sender=owner)
    with refused(registry.NotAuthorised, log=log, caller=operator.address):
        registry.anchor(log, root_of(3), 3, [], sender=operator)


def test_anchor_refuses_a_removed_operator(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log, operator, 1, sender=owner)
    anchor_sizes(registry, operator, log, 3)
    registry.setOperator(log, operator, 0, sender=owner)
    with refused(registry.NotAuthorised, log=log, caller=operator.address):
        registry.anchor(log, root_of(5), 5, proof_between(3, 5), sender=operator)


def test_anchor_refuses_a_closed_log_and_names_its_successor(
    registry: Any, log: bytes, owner: Any
) -> None:
    new_log = log_id(owner, 8)
    anchor_sizes(registry, owner, log, 3)
    registry.succeed(log, root_of(3), new_log, sender=owner)
    with refused(registry.LogClosed, log=log, successor=new_log):
        registry.anchor(log, root_of(5), 5, proof_between(3, 5), sender=owner)


@pytest.mark.fault(
    "H9",
    how="the registry is asked to anchor a root of zeros",
    then="reverts",
)
def test_anchor_refuses_the_zero_root(registry: Any, log: bytes, owner: Any) -> None:
    with refused(registry.InvalidRoot, root=ZERO):
        registry.anchor(log, ZERO, 3, [], sender=owner)


def test_anchor_refuses_the_word_that_marks_closed_logs(
    registry: Any, log: bytes, owner: Any
) -> None:
    with refused(registry.InvalidRoot, root=CLOSED):
        registry.anchor(log, CLOSED, 3, [], sender=owner)


def test_anchor_refuses_the_head_again(registry: Any, log: bytes, owner: Any) -> None:
    anchor_sizes(registry, owner, log, 3)
    with refused(registry.AlreadyAnchored, log=log, root=root_of(3)):
        registry.anchor(log, root_of(3), 4, [], sender=owner)


@pytest.mark.fault(
    "I10",
    how="a root is anchored a second time, under another size",
    then="reverts",
)
def test_anchor_refuses_an_earlier_root_again(registry: Any, log: bytes, owner: Any) -> None:
    anchor_sizes(registry, owner, log, 3, 5)
    with refused(registry.AlreadyAnchored, log=log, root=root_of(3)):
        registry.anchor(log, root_of(3), 6, [], sender=owner)


def test_anchor_refuses_an_empty_tree(registry: Any, log: bytes, owner: Any) -> None:
    with refused(registry.InvalidSize, size=0, headSize=0):
        registry.anchor(log, root_of(0), 0, [], sender=owner)


@pytest.mark.parametrize("size", [0, 4, 5])
def test_anchor_refuses_a_size_not_above_the_heads(
    registry: Any, log: bytes, owner: Any, size: int
) -> None:
    anchor_sizes(registry, owner, log, 5)
    with refused(registry.InvalidSize, size=size, headSize=5):
        registry.anchor(log, root_of(6), size, proof_between(5, 6), sender=owner)


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 3, 2**256 - 1])
def test_anchor_refuses_a_size_of_more_than_48_bits(
    registry: Any, log: bytes, owner: Any, size: int
) -> None:
    with refused(registry.InvalidSize, size=size, headSize=0):
        registry.anchor(log, root_of(3), size, [], sender=owner)


def test_anchor_refuses_a_proof_for_the_first_anchor(registry: Any, log: bytes, owner: Any) -> None:
    with refused(registry.UnexpectedProof, log=log, length=2):
        registry.anchor(log, root_of(3), 3, proof_between(2, 5)[:2], sender=owner)


def test_anchor_accepts_the_owners_first_head(registry: Any, log: bytes, owner: Any) -> None:
    receipt = anchor_sizes(registry, owner, log, 3)
    stored = (3, 1, receipt.block_number, receipt.timestamp, 0)
    assert tuple(registry.anchorOf(log, root_of(3))) == stored
    assert registry.headOf(log)[0] == root_of(3)
    assert tuple(registry.headOf(log)[1]) == stored


def test_anchor_accepts_an_operators_first_head(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log, operator, 2**72 - 1, sender=owner)
    receipt = anchor_sizes(registry, operator, log, 3)
    stored = (3, 1, receipt.block_number, receipt.timestamp, 2**72 - 1)
    assert tuple(registry.anchorOf(log, root_of(3))) == stored


def test_anchor_accepts_the_largest_size(registry: Any, log: bytes, owner: Any) -> None:
    registry.anchor(log, root_of(3), LIMIT - 1, [], sender=owner)
    assert registry.anchorOf(log, root_of(3)).size == LIMIT - 1


def test_anchor_reports_the_first_head(registry: Any, log: bytes, owner: Any) -> None:
    receipt = anchor_sizes(registry, owner, log, 3)
    operands = {
        "log": log,
        "root": root_of(3),
        "size": 3,
        "sequence": 1,
        "previousRoot": ZERO,
    }
    assert emitted(receipt) == [("Anchored", operands)]


def test_anchor_refuses_a_tree_that_rewrites_the_head(
    registry: Any, log: bytes, owner: Any
) -> None:
    anchor_sizes(registry, owner, log, 5)
    rewritten = b"\x01" * 32
    operands = {"oldSize": 5, "oldRoot": root_of(5), "newSize": 8, "newRoot": rewritten}
    with refused(registry.InvalidConsistencyProof, **operands):
        registry.anchor(log, rewritten, 8, proof_between(5, 8), sender=owner)


def test_anchor_refuses_a_missing_proof(registry: Any, log: bytes, owner: Any) -> None:
    anchor_sizes(registry, owner, log, 5)
    operands = {"oldSize": 5, "oldRoot": root_of(5), "newSize": 8, "newRoot": root_of(8)}
    with refused(registry.InvalidConsistencyProof, **operands):
        registry.anchor(log, root_of(8), 8, [], sender=owner)


def test_anchor_refuses_a_proof_from_an_earlier_head(registry: Any, log: bytes, owner: Any) -> None:
    anchor_sizes(registry, owner, log, 3, 5)
    operands = {"oldSize": 5, "oldRoot": root_of(5), "newSize": 8, "newRoot": root_of(8)}
    with refused(registry.InvalidConsistencyProof, **operands):
        registry.anchor(log, root_of(8), 8, proof_between(3, 8), sender=owner)


def test_anchor_accepts_each_head_that_extends_the_last(
    registry: Any, log: bytes, owner: Any
) -> None:
    sizes = [1, 2, 3, 8, 13, 64]
    for sequence, (old, new) in enumerate(zip([0, *sizes], sizes, strict=False), start=1):
        receipt = anchor_sizes(registry, owner, log, new, after=old)
        stored = (new, sequence, receipt.block_number, receipt.timestamp, 0)
        assert tuple(registry.anchorOf(log, root_of(new))) == stored
        assert registry.headOf(log)[0] == root_of(new)


def test_anchor_keeps_every_earlier_anchor(registry: Any, log: bytes, owner: Any) -> None:
    first = anchor_sizes(registry, owner, log, 3)
    anchor_sizes(registry, owner, log, 5, 8, after=3)
    stored = (3, 1, first.block_number, first.timestamp, 0)
    assert tuple(registry.anchorOf(log, root_of(3))) == stored


def test_anchor_notes_who_sent_each_head(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log, operator, 4, sender=owner)
    anchor_sizes(registry, owner, log, 3)
    anchor_sizes(registry, operator, log, 5, after=3)
    anchor_sizes(registry, owner, log, 8, after=5)
    senders = [registry.anchorOf(log, root_of(size)).operatorId for size in (3, 5, 8)]
    assert senders == [0, 4, 0]


def test_anchor_reports_a_later_head_with_its_predecessor(
    registry: Any, log: bytes, owner: Any
) -> None:
    receipt = anchor_sizes(registry, owner, log, 3, 5)
    operands = {
        "log": log,
        "root": root_of(5),
        "size": 5,
        "sequence": 2,
        "previousRoot": root_of(3),
    }
    assert emitted(receipt) == [("Anchored", operands)]


def test_anchor_keeps_logs_apart(registry: Any, log: bytes, owner: Any) -> None:
    other = log_id(owner, 8)
    anchor_sizes(registry, owner, log, 3, 5)
    anchor_sizes(registry, owner, other, 3)
    assert registry.anchorOf(other, root_of(3)).sequence == 1
    assert registry.headOf(log)[0] == root_of(5)
    assert registry.headOf(other)[0] == root_of(3)


@pytest.mark.fault(
    "I8",
    how="ether is sent along",
    then="reverts",
)
def test_anchor_refuses_ether(registry: Any, log: bytes, owner: Any) -> None:
    data = registry.anchor.encode_input(log, root_of(3), 3, [])
    call = {"from": owner.address, "to": registry.address, "data": data.to_0x_hex()}
    web3 = registry.provider.web3
    assert web3.eth.call(call) == b""
    with pytest.raises(ContractLogicError):
        web3.eth.call({**call, "value": 1})
