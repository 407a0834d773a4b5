"""Trees from the prover's side: what the store, the tiles and the tests build them with."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from anchor.base.types import MAX_LOG_SIZE, Hash32
from anchor.log.batch_sha256 import hash_rows
from anchor.log.merkle import EMPTY_ROOT, hash_leaf
from anchor.log.tree import RightEdge, Tree

LARGEST = 64
LEAVES = [hash_leaf(index.to_bytes(4, "big")) for index in range(3_000)]
TREE = Tree(b"".join(LEAVES[:LARGEST]))
LARGE = Tree(b"".join(LEAVES))
ZERO = Hash32(bytes(32))


def test_a_tree_refuses_sizes_and_indices_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="32 bytes each"):
        Tree(bytes(33))
    for size in (-1, LARGEST + 1):
        with pytest.raises(ValueError, match="the tree holds 64 leaves"):
            TREE.root(size)
        with pytest.raises(ValueError, match="the tree holds 64 leaves"):
            TREE.inclusion_path(0, size)
        with pytest.raises(ValueError, match="the tree holds 64 leaves"):
            TREE.consistency_proof(1, size)
        with pytest.raises(ValueError, match="the tree holds 64 leaves"):
            next(TREE.inclusion_paths(0, 1, size))
    for index in (-1, 3, 4):
        with pytest.raises(ValueError, match="no leaf"):
            TREE.inclusion_path(index, 3)


def test_the_right_edge_gives_the_trees_root_at_every_size() -> None:
    edge = RightEdge()
    for size, leaf in enumerate(LEAVES[:300], start=1):
        edge.extend(leaf)
        assert (edge.size, edge.root()) == (size, LARGE.root(size))
        assert len(edge.nodes) == size.bit_count()
        # Written down and read back, it goes on in the same way.
        edge = RightEdge(edge.size, edge.nodes)


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 0), (1, 2), (3, 1), (4, 2), (7, 2)])
def test_a_right_edge_with_the_wrong_number_of_nodes_is_refused(size: int, count: int) -> None:
    with pytest.raises(ValueError, match="right edge"):
        RightEdge(size, [ZERO] * count)


def test_the_right_edge_of_nothing_is_the_empty_tree() -> None:
    edge = RightEdge()
    assert (edge.size, edge.nodes, edge.root()) == (0, [], EMPTY_ROOT)
    assert edge.extend(b"") == []
    assert edge.root() == EMPTY_ROOT


@settings(max_examples=examples(200))
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_a_batch_completes_the_nodes_that_the_tree_has_and_no_others(batches: list[int]) -> None:
    edge = RightEdge()
    for count in batches:
        old_size = edge.size
        size = min(old_size + count, len(LEAVES))
        completed = edge.extend(b"".join(LEAVES[old_size:size]))
        assert edge.size == size
        assert edge.root() == LARGE.root(size)
        for height in range(size.bit_length()):
            expected = b"".join(
                LARGE.node(height, index) for index in range(old_size >> height, size >> height)
            )
            assert (completed[height] if height < len(completed) else b"") == expected
        assert all(completed), "an empty level ends the list"
        for height, node in zip(
            [height for height in reversed(range(size.bit_length())) if size >> height & 1],
            edge.nodes,
            strict=True,
        ):
            assert node == LARGE.node(height, (size >> height) - 1) == edge.node(height)


@settings(max_examples=examples(200))
@given(st.lists(st.integers(0, 700) | st.integers(0, 3000), max_size=6), st.integers(1, 12))
def test_with_a_step_a_batch_completes_the_same_nodes_of_every_such_height(
    batches: list[int], step: int
) -> None:
    edge, expected = RightEdge(), RightEdge()
    for count in batches:
        leaves = b"".join(LEAVES[edge.size : edge.size + count])
        assert edge.extend(leaves, step) == expected.extend(leaves)[::step]
        assert (edge.size, edge.nodes) == (expected.size, expected.nodes)


@pytest.mark.parametrize("border", [2**12, 2**13, 2**15])
@pytest.mark.parametrize("first", [0, 1, 255, 2**12 - 1, 2**12, 2**12 + 1])
def test_around_whole_blocks_an_edge_is_that_of_the_tree(first: int, border: int) -> None:
    leaves = hash_rows(0, b"".join(n.to_bytes(4, "big") for n in range(border + 2)), 4)
    tree = Tree(leaves)
    for size in (border - 1, border, border + 1):
        edge = RightEdge()
        edge.append(leaves[: min(first, size) * 32])
        edge.append(leaves[min(first, size) * 32 : size * 32])
        assert (edge.size, edge.root()) == (size, tree.root(size))
        assert len(edge.nodes) == size.bit_count()


def test_a_log_cannot_outgrow_what_the_registry_can_count() -> None:
    edge = RightEdge(MAX_LOG_SIZE - 1, [ZERO] * 47)
    with pytest.raises(ValueError, match="at most"):
        edge.extend(LEAVES[0] + LEAVES[1])
    edge.extend(LEAVES[0])
    assert edge.size == MAX_LOG_SIZE


@pytest.mark.parametrize("length", [31, 33])
def test_leaves_of_another_length_are_refused_and_change_nothing(length: int) -> None:
    edge = RightEdge()
    with pytest.raises(ValueError, match="32 bytes each"):
        edge.extend(bytes(length))
    assert (edge.size, edge.nodes) == (0, [])


@settings(max_examples=examples(60))
@given(st.integers(0, len(LEAVES)), st.data())
def test_bulk_paths_are_the_paths_one_by_one(size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size), label="start")
    end = data.draw(st.integers(start, size), label="end")
    expected = [b"".join(LARGE.inclusion_path(index, size)) for index in range(start, end)]
    assert list(LARGE.inclusion_paths(start, end, size)) == expected


@pytest.mark.parametrize(("start", "end", "size"), [(-1, 2, 5), (3, 2, 5), (0, 6, 5)])
def test_bulk_paths_of_leaves_that_are_not_there_are_refused(
    start: int, end: int, size: int
) -> None:
    with pytest.raises(ValueError, match="no leaves"):
        next(LARGE.inclusion_paths(start, end, size))
