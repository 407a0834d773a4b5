"""What anyone can ask, and the raw storage behind it."""

from __future__ import annotations

from typing import Any

import pytest
from support.contract_log import (
    CLOSED,
    EMPTY_ANCHOR,
    LEAVES,
    NO_ADDRESS,
    ZERO,
    anchor_sizes,
    check_view_refuses,
    log_id,
    proof_between,
    root_of,
    slot,
)
from support.rfc9162_reference import hash_leaf, inclusion_path


@pytest.fixture
def log(registry: Any, owner: Any) -> bytes:
    """A log with anchors over 3 and 8 leaves."""
    log = log_id(owner, 7)
    anchor_sizes(registry, owner, log, 3, 8)
    return log


def read_word(registry: Any, place: int) -> bytes:
    return bytes(registry.provider.web3.eth.get_storage_at(registry.address, place))


def test_view_answers_zero_for_an_unknown_log(registry: Any, owner: Any, stranger: Any) -> None:
    unknown = log_id(owner, 99)
    assert tuple(registry.anchorOf(unknown, root_of(3))) == EMPTY_ANCHOR
    assert registry.headOf(unknown)[0] == ZERO
    assert tuple(registry.headOf(unknown)[1]) == EMPTY_ANCHOR
    assert registry.successorOf(unknown) == registry.predecessorOf(unknown) == ZERO
    assert registry.operatorKey(unknown, 1) == NO_ADDRESS
    assert registry.operatorId(unknown, stranger) == 0


def test_view_answers_zero_for_an_unknown_root(registry: Any, log: bytes) -> None:
    assert tuple(registry.anchorOf(log, root_of(5))) == EMPTY_ANCHOR


def test_view_names_the_chain(registry: Any) -> None:
    assert registry.CHAIN_ID() == registry.provider.chain_id


def test_verify_inclusion_refuses_a_root_that_is_not_anchored(registry: Any, log: bytes) -> None:
    path = inclusion_path(2, LEAVES[:5])
    arguments = [log, root_of(5), hash_leaf(LEAVES[2]), 2, path]
    check_view_refuses(
        registry.verifyInclusion, arguments, registry.NotAnchored, log=log, root=root_of(5)
    )


def test_verify_inclusion_refuses_a_leaf_that_is_not_in_the_tree(registry: Any, log: bytes) -> None:
    leaf, path = hash_leaf(b"forged"), inclusion_path(2, LEAVES[:8])
    operands = {"root": root_of(8), "size": 8, "leafHash": leaf, "index": 2}
    arguments = [log, root_of(8), leaf, 2, path]
    check_view_refuses(
        registry.verifyInclusion, arguments, registry.InvalidInclusionProof, **operands
    )


def test_verify_inclusion_refuses_an_index_outside_the_anchored_size(
    registry: Any, log: bytes
) -> None:
    leaf, path = hash_leaf(LEAVES[2]), inclusion_path(2, LEAVES[:8])
    operands = {"root": root_of(8), "size": 8, "leafHash": leaf, "index": 8}
    arguments = [log, root_of(8), leaf, 8, path]
    check_view_refuses(
        registry.verifyInclusion, arguments, registry.InvalidInclusionProof, **operands
    )


@pytest.mark.parametrize("size", [3, 8])
def test_verify_inclusion_returns_the_anchor_of_every_leaf(
    registry: Any, log: bytes, size: int
) -> None:
    anchor = tuple(registry.anchorOf(log, root_of(size)))
    for index in range(size):
        path = inclusion_path(index, LEAVES[:size])
        leaf = hash_leaf(LEAVES[index])
        found = registry.verifyInclusion(log, root_of(size), leaf, index, path)
        assert tuple(found) == anchor


def test_verify_inclusion_serves_a_closed_log(registry: Any, log: bytes, owner: Any) -> None:
    registry.succeed(log, root_of(3), log_id(owner, 8), sender=owner)
    path = inclusion_path(2, LEAVES[:8])
    found = registry.verifyInclusion(log, root_of(8), hash_leaf(LEAVES[2]), 2, path)
    assert found.size == 8


def test_verify_consistency_accepts_roots_nobody_anchored(registry: Any) -> None:
    arguments = (13, root_of(13), 21, root_of(21), proof_between(13, 21))
    # An address without code would answer nothing, also without an error.
    assert registry.verifyConsistency(*arguments) is True


@pytest.mark.parametrize("old,new", [(0, 8), (8, 8), (9, 8)])
def test_verify_consistency_refuses_sizes_that_do_not_grow_from_one(
    registry: Any, old: int, new: int
) -> None:
    operands = {"oldSize": old, "oldRoot": root_of(8), "newSize": new, "newRoot": root_of(8)}
    arguments = [old, root_of(8), new, root_of(8), []]
    check_view_refuses(
        registry.verifyConsistency, arguments, registry.InvalidConsistencyProof, **operands
    )


def test_verify_consistency_refuses_a_wrong_proof(registry: Any) -> None:
    operands = {"oldSize": 13, "oldRoot": root_of(13), "newSize": 21, "newRoot": root_of(21)}
    arguments = [13, root_of(13), 21, root_of(21), proof_between(12, 21)]
    check_view_refuses(
        registry.verifyConsistency, arguments, registry.InvalidConsistencyProof, **operands
    )


def test_storage_keeps_an_anchor_in_one_word_at_its_documented_slot(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    operator_id = 0xABCDEF0123456789FE
    registry.setOperator(log, operator, operator_id, sender=owner)
    receipt = anchor_sizes(registry, operator, log, 13, after=8)
    packed = (
        13 | 3 << 48 | receipt.block_number << 88 | receipt.timestamp << 136 | operator_id << 184
    )
    word = read_word(registry, slot(0, log, root_of(13)))
    assert word == packed.to_bytes(32, "big")


def test_storage_keeps_the_largest_size_inside_its_bits(registry: Any, owner: Any) -> None:
    log = log_id(owner, 21)
    receipt = registry.anchor(log, root_of(3), 2**48 - 1, [], sender=owner)
    packed = 2**48 - 1 | 1 << 48 | receipt.block_number << 88 | receipt.timestamp << 136
    assert read_word(registry, slot(0, log, root_of(3))) == packed.to_bytes(32, "big")


def test_storage_keeps_the_head_at_its_documented_slot(
    registry: Any, log: bytes, owner: Any
) -> None:
    assert read_word(registry, slot(1, log)) == root_of(8)
    registry.succeed(log, root_of(3), log_id(owner, 8), sender=owner)
    assert read_word(registry, slot(1, log)) == CLOSED


def test_storage_keeps_operators_at_their_documented_slots(
    registry: Any, log: bytes, owner: Any, operator: Any
) -> None:
    registry.setOperator(log, operator, 5, sender=owner)
    key = bytes.fromhex(operator.address[2:])
    assert read_word(registry, slot(2, log, b"\x05")) == key.rjust(32, b"\0")
    assert read_word(registry, slot(3, log, key)) == (5).to_bytes(32, "big")


def test_storage_keeps_successor_and_predecessor_at_their_documented_slots(
    registry: Any, log: bytes, owner: Any
) -> None:
    new_log = log_id(owner, 8)
    links = [(4, log, new_log), (5, new_log, log)]
    assert {read_word(registry, slot(number, key)) for number, key, _ in links} == {ZERO}
    registry.succeed(log, root_of(3), new_log, sender=owner)
    for number, key, linked in links:
        assert read_word(registry, slot(number, key)) == linked


def test_storage_keeps_the_last_head_of_a_closed_log_at_its_documented_slot(
    registry: Any, log: bytes, owner: Any
) -> None:
    assert read_word(registry, slot(6, log)) == ZERO
    registry.succeed(log, root_of(3), log_id(owner, 8), sender=owner)
    assert read_word(registry, slot(6, log)) == root_of(8)


def test_storage_matches_the_compilers_own_layout(artifact: dict[str, Any]) -> None:
    layout = artifact["storageLayout"]
    variables = [(entry["label"], entry["slot"]) for entry in layout["storage"]]
    assert variables == [
        ("anchors", "0"),
        ("heads", "1"),
        ("operatorKeys", "2"),
        ("operatorIds", "3"),
        ("successors", "4"),
        ("predecessors", "5"),
        ("lastHeads", "6"),
    ]
    members = layout["types"]["t_struct(Anchor)_storage"]["members"]
    assert [(member["label"], member["slot"], member["offset"]) for member in members] == [
        ("size", "0", 0),
        ("sequence", "0", 6),
        ("blockNumber", "0", 11),
        ("timestamp", "0", 17),
        ("operatorId", "0", 23),
    ]
