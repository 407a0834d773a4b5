"""The size of a busy log's next head: where a leaf costs the least gas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.log.tree import Tree
from anchor.operate.head_size import LEAST, choose_head_size


@given(st.integers(0, 1 << 48), st.integers(1, 1 << 20), st.data())
def test_the_size_is_within_what_waits_and_what_is_due(
    size: int, waiting: int, data: st.DataObject
) -> None:
    due = data.draw(st.integers(0, waiting))
    assert size + max(due, 1) <= choose_head_size(size, waiting, due) <= size + waiting
    assert choose_head_size(size, waiting, waiting) == size + waiting


@pytest.mark.parametrize("waiting", [1, 2, LEAST - 1])
@pytest.mark.parametrize("size", [0, 1, 127, 255, 1_000_003])
def test_few_leaves_are_all_sealed(size: int, waiting: int) -> None:
    assert choose_head_size(size, waiting, 0) == size + waiting


@pytest.mark.parametrize(
    ("size", "waiting", "due", "chosen"),
    [
        (1 << 20, (1 << 14) + 300, 0, (1 << 20) + (1 << 14)),
        # 256 would spare three more hashes, and leave out 12 % of the leaves.
        (1 << 20, 300, 0, (1 << 20) + 288),
        (1 << 20, 300, 290, (1 << 20) + 296),
        (1 << 20, 300, 297, (1 << 20) + 300),
        (0, 1_000, 0, 960),
        (1_000_003, 20_000, 0, 1_019_968),
    ],
)
def test_a_leaf_costs_as_little_as_it_can(size: int, waiting: int, due: int, chosen: int) -> None:
    assert choose_head_size(size, waiting, due) == chosen


def test_the_proof_after_a_round_size_is_as_much_shorter() -> None:
    tree = Tree(b"".join(number.to_bytes(32, "big") for number in range(1_000)))
    lengths = {size: len(tree.consistency_proof(size, 1_000)) for size in (507, 508, 512)}
    assert lengths[507] - lengths[508] == 2
    assert lengths[512] == 1
