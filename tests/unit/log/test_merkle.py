"""The Merkle tree against RFC 9162's recursive definitions, and every way to bend a proof."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import rfc9162_reference as rfc
from support.examples import examples

from anchor.base.errors import ExitCode, MismatchError
from anchor.base.types import MAX_LOG_SIZE, Hash32
from anchor.log import merkle
from anchor.log.merkle import EMPTY_ROOT, MAX_PATH, hash_leaf
from anchor.log.tree import Tree

LARGEST = 64
# Every shape of three levels; beyond, the same shapes repeat one level up.
LARGEST_MUTATED = examples(33, ordinary=18)

DATA = tuple(f"leaf {index}".encode() for index in range(LARGEST))
LEAVES = [hash_leaf(data) for data in DATA]
TREE = Tree(b"".join(LEAVES))
ZERO = Hash32(bytes(32))
OTHER = hash_leaf(b"not in the tree")

# certificate-transparency (github.com/google/certificate-transparency), merkle_tree_test.cc.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_PATHS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
]


def includes(leaf: Hash32, index: int, size: int, path: list[Hash32], root: Hash32) -> bool:
    try:
        merkle.verify_inclusion(leaf=leaf, index=index, size=size, path=path, root=root)
    except MismatchError as error:
        assert error.exit_code is ExitCode.MISMATCH
        return False
    return True


def extends(
    old_size: int, old_root: Hash32, new_size: int, new_root: Hash32, proof: list[Hash32]
) -> bool:
    try:
        merkle.verify_consistency(
            old_size=old_size, old_root=old_root, new_size=new_size, new_root=new_root, proof=proof
        )
    except MismatchError as error:
        assert error.exit_code is ExitCode.MISMATCH
        return False
    return True


def flipped(node: Hash32, bit: int = 0) -> Hash32:
    return Hash32((int.from_bytes(node, "big") ^ (1 << bit)).to_bytes(32, "big"))


def mutations(proof: list[Hash32]) -> Iterator[list[Hash32]]:
    """Every bent copy of a proof that differs from it."""
    bent: list[list[Hash32]] = [[*proof, ZERO], [ZERO, *proof], [*proof, OTHER], proof[::-1]]
    for at, node in enumerate(proof):
        before, after = proof[:at], proof[at + 1 :]
        bent += [[*before, flipped(node, bit), *after] for bit in (0, 7, 255)]
        bent.append([*before, *after])
        bent.append([*before, node, node, *after])
        bent.append([*before, ZERO, *after])
        bent.append([*before, EMPTY_ROOT, *after])
        if after:
            bent.append([*before, after[0], node, *after[1:]])
    return (copy for copy in bent if copy != proof)


def test_the_empty_tree_has_the_hash_of_nothing_as_its_root() -> None:
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT == Tree(b"").root(0)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_of_certificate_transparencys_test_data(size: int) -> None:
    leaves = [hash_leaf(data) for data in CT_LEAVES]
    assert Tree(b"".join(leaves)).root(size).hex() == CT_ROOTS[size - 1]
    assert Tree(b"".join(leaves[:size])).root(size).hex() == CT_ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size", "path"), CT_PATHS)
def test_the_paths_of_certificate_transparencys_test_data(
    index: int, size: int, path: list[str]
) -> None:
    leaves = [hash_leaf(data) for data in CT_LEAVES]
    ours = Tree(b"".join(leaves)).inclusion_path(index, size)
    assert [node.hex() for node in ours] == path
    assert includes(leaves[index], index, size, ours, Hash32(bytes.fromhex(CT_ROOTS[size - 1])))


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_root_and_path_is_the_references_and_verifies(size: int) -> None:
    root = TREE.root(size)
    assert root == rfc.root(DATA[:size])
    for index in range(size):
        path = TREE.inclusion_path(index, size)
        assert path == rfc.inclusion_path(index, DATA[:size])
        assert includes(LEAVES[index], index, size, path, root)


@pytest.mark.parametrize("new_size", range(2, LARGEST + 1))
def test_every_consistency_proof_is_the_references_and_verifies(new_size: int) -> None:
    for old_size in range(1, new_size):
        proof = TREE.consistency_proof(old_size, new_size)
        assert proof == rfc.consistency_proof(old_size, DATA[:new_size])
        assert extends(old_size, TREE.root(old_size), new_size, TREE.root(new_size), proof)


@pytest.mark.parametrize("size", range(1, LARGEST_MUTATED + 1))
def test_every_bent_path_is_refused(size: int) -> None:
    root = TREE.root(size)
    for index in range(size):
        path = TREE.inclusion_path(index, size)
        for bent in mutations(path):
            assert not includes(LEAVES[index], index, size, bent, root)
        for leaf in (OTHER, ZERO, flipped(LEAVES[index]), root if size > 1 else OTHER):
            assert not includes(leaf, index, size, path, root)
        for other_root in (ZERO, EMPTY_ROOT, flipped(root), OTHER):
            assert not includes(LEAVES[index], index, size, path, other_root)


shape_of = functools.cache(rfc.inclusion_shape)


@pytest.mark.parametrize("size", range(1, LARGEST_MUTATED + 1))
def test_another_index_or_size_verifies_exactly_where_it_folds_the_path_the_same_way(
    size: int,
) -> None:
    root = TREE.root(size)
    for index in range(size):
        path = TREE.inclusion_path(index, size)
        shape = shape_of(index, size)
        for other_size in range(LARGEST_MUTATED * 2):
            for other in range(-1, other_size + 2):
                folds_alike = 0 <= other < other_size and shape_of(other, other_size) == shape
                accepted = includes(LEAVES[index], other, other_size, path, root)
                assert accepted == folds_alike
                if other_size == size:
                    # Once the registry gives the size, the index is proven.
                    assert accepted == (other == index)


def test_the_claims_that_share_a_path_with_leaf_6_of_7() -> None:
    alike = [
        (index, size)
        for size in range(1, 65)
        for index in range(size)
        if includes(LEAVES[6], index, size, TREE.inclusion_path(6, 7), TREE.root(7))
    ]
    # Each is the last leaf of a tree that needs exactly two left siblings.
    assert alike == [(index, index + 1) for index in range(64) if index.bit_count() == 2]


def test_the_first_leafs_path_fits_every_size_of_the_same_height() -> None:
    path = TREE.inclusion_path(0, 5)
    sizes = [size for size in range(65) if includes(LEAVES[0], 0, size, path, TREE.root(5))]
    assert sizes == [5, 6, 7, 8]


@pytest.mark.parametrize("new_size", range(2, LARGEST_MUTATED + 1))
def test_every_bent_consistency_proof_is_refused(new_size: int) -> None:
    new_root = TREE.root(new_size)
    for old_size in range(1, new_size):
        old_root = TREE.root(old_size)
        proof = TREE.consistency_proof(old_size, new_size)
        for bent in [*mutations(proof), []]:
            assert not extends(old_size, old_root, new_size, new_root, bent)
        for other in (ZERO, EMPTY_ROOT, flipped(old_root), flipped(new_root)):
            assert not extends(old_size, other, new_size, new_root, proof)
            assert not extends(old_size, old_root, new_size, other, proof)
        assert not extends(old_size, new_root, new_size, old_root, proof)
        assert not extends(new_size, new_root, old_size, old_root, proof)


@pytest.mark.parametrize("new_size", range(2, 18))
def test_other_sizes_are_consistent_exactly_where_they_use_the_proof_the_same_way(
    new_size: int,
) -> None:
    for old_size in range(1, new_size):
        old_root, new_root = TREE.root(old_size), TREE.root(new_size)
        proof = TREE.consistency_proof(old_size, new_size)
        shape = rfc.consistency_shape(old_size, new_size)
        for other_new in range(35):
            for other_old in range(-1, 35):
                used_alike = (
                    0 < other_old < other_new
                    and rfc.consistency_shape(other_old, other_new) == shape
                )
                accepted = extends(other_old, old_root, other_new, new_root, proof)
                assert accepted == used_alike, (old_size, new_size, other_old, other_new)


@pytest.mark.parametrize(
    ("old_size", "new_size"), [(0, 1), (0, 0), (1, 1), (5, 5), (5, 4), (-1, 3)]
)
def test_a_log_that_does_not_grow_has_no_consistency_proof(old_size: int, new_size: int) -> None:
    root = TREE.root(max(new_size, 0))
    for proof in ([], [root], [ZERO]):
        assert not extends(old_size, root, new_size, root, proof)
    with pytest.raises(ValueError, match="no consistency proof"):
        TREE.consistency_proof(old_size, new_size)


@pytest.mark.parametrize("size", range(1, LARGEST_MUTATED + 1))
def test_a_proof_between_equal_sizes_is_refused_even_where_it_would_fold_to_the_root(
    size: int,
) -> None:
    root = TREE.root(size)
    path = TREE.inclusion_path(size - 1, size)
    for start in range(len(path) + 1):
        seed = merkle.fold_path(leaf=LEAVES[size - 1], index=size - 1, size=size, path=path)[start]
        assert not extends(size, root, size, root, [seed, *path[start:]])


@pytest.mark.fault(
    "H1",
    how="an inner node is given as the leaf, with the path above it",
    then="no path leads from it to the root",
)
@pytest.mark.parametrize("size", [2, 3, 4, 7, 8])
def test_an_inner_node_presented_as_a_leaf_is_refused(size: int) -> None:
    # Second preimage: the node over leaves 0 and 1, as "leaf 0" of a tree of half the size.
    node = merkle.hash_node(LEAVES[0], LEAVES[1])
    path = TREE.inclusion_path(0, size)[1:]
    assert not includes(hash_leaf(LEAVES[0] + LEAVES[1]), 0, (size + 1) // 2, path, TREE.root(size))
    assert hash_leaf(LEAVES[0] + LEAVES[1]) != node
    assert hash_leaf(b"\x01" + LEAVES[0] + LEAVES[1]) != node
    # The bare node does fold to the root: that is why callers hash the record themselves.
    assert includes(node, 0, (size + 1) // 2, path, TREE.root(size))


@pytest.mark.fault(
    "H3",
    how="the last leaves of a tree are doubled",
    then="the root is another one",
)
@pytest.mark.parametrize("size", [3, 5, 6, 7])
def test_a_tree_with_its_last_leaves_doubled_has_another_root(size: int) -> None:
    # CVE-2012-2459: Bitcoin pairs a lone node with itself.
    for doubled in range(1, size):
        leaves = LEAVES[:size] + LEAVES[size - doubled : size]
        assert Tree(b"".join(leaves)).root(size + doubled) != TREE.root(size)


@pytest.mark.fault(
    "H4",
    how="an index past the end is given with any leaf's path",
    then="refused",
)
@pytest.mark.parametrize("size", [1, 3, 5, 6, 7, 8])
def test_a_ghost_index_past_the_end_is_refused(size: int) -> None:
    root = TREE.root(size)
    for index in range(size):
        path = TREE.inclusion_path(index, size)
        for ghost in (-1, size, size + 1, index + 8, index + 2**20, index - size, 2**48, -(2**48)):
            assert not includes(LEAVES[index], ghost, size, path, root)


@pytest.mark.fault(
    "H5",
    how="a leaf's path is given under every other index",
    then="refused at each",
)
def test_no_two_indices_of_a_tree_are_aliases() -> None:
    for size in range(1, 33):
        folds = [tuple(rfc.inclusion_shape(index, size)) for index in range(size)]
        assert len(set(folds)) == size
        for index in range(size):
            sides = merkle.path_sides(index, size, len(folds[index]))
            assert ["left" if is_left else "right" for is_left in sides] == list(folds[index])


@pytest.mark.fault(
    "H7",
    how="an empty path, at every size",
    then="it proves a tree of one leaf, and no other",
)
def test_an_empty_path_proves_a_tree_of_one_leaf_only() -> None:
    assert includes(LEAVES[0], 0, 1, [], LEAVES[0])
    for size in range(2, 65):
        assert not includes(TREE.root(size), 0, size, [], TREE.root(size))
    for size in (-1, 0):
        assert not includes(EMPTY_ROOT, 0, size, [], EMPTY_ROOT)


@pytest.mark.fault(
    "H9",
    how="a root of zeros",
    then="nothing leads to it",
)
def test_nothing_leads_to_a_zero_root() -> None:
    for size in range(1, 17):
        for index in range(size):
            path = TREE.inclusion_path(index, size)
            assert not includes(LEAVES[index], index, size, path, ZERO)
            # A leaf is a SHA-256, so that a tree of one zero leaf cannot be had either.
            assert size == 1 or not includes(ZERO, index, size, path, ZERO)


@pytest.mark.fault(
    "H6",
    how="two siblings change places",
    then="the root is another one",
)
def test_swapped_siblings_are_another_tree() -> None:
    assert merkle.hash_node(LEAVES[0], LEAVES[1]) != merkle.hash_node(LEAVES[1], LEAVES[0])
    assert not includes(LEAVES[1], 0, 2, [LEAVES[0]], TREE.root(2))
    assert includes(LEAVES[1], 1, 2, [LEAVES[0]], TREE.root(2))


@pytest.mark.parametrize("moved", [1, 31])
def test_bytes_moved_from_one_hash_to_its_neighbour_are_refused(moved: int) -> None:
    """What is hashed would stay the same."""
    leaf, sibling, root = LEAVES[0], LEAVES[1], TREE.root(2)
    longer, shorter = Hash32(leaf + sibling[:moved]), Hash32(sibling[moved:])
    assert merkle.hash_node(longer, shorter) == root
    with pytest.raises(MismatchError, match="not 32 bytes long"):
        merkle.verify_inclusion(leaf=longer, index=0, size=2, path=[shorter], root=root)
    for old_root, proof in ((longer, [shorter]), (Hash32(b""), [Hash32(leaf + sibling)])):
        with pytest.raises(MismatchError, match="not 32 bytes long"):
            merkle.verify_consistency(
                old_size=1, old_root=old_root, new_size=2, new_root=root, proof=proof
            )


@pytest.mark.parametrize("index", [0, 1, 2**47, 2**48 - 2])
def test_the_longest_paths_fit_the_bounds_the_formats_state(index: int) -> None:
    assert MAX_PATH == (MAX_LOG_SIZE - 1).bit_length() == 48
    lengths = []
    for length in range(MAX_PATH + 2):
        try:
            lengths.append(len(merkle.path_sides(index, MAX_LOG_SIZE, length)))
        except MismatchError:
            continue
    assert len(lengths) == 1
    assert lengths[0] <= MAX_PATH


def test_folding_a_path_shows_each_hash_from_the_leaf_to_the_root() -> None:
    path = TREE.inclusion_path(5, 7)
    hashes = merkle.fold_path(leaf=LEAVES[5], index=5, size=7, path=path)
    assert hashes[0] == LEAVES[5]
    assert hashes[-1] == TREE.root(7)
    assert hashes[1] == merkle.hash_node(LEAVES[4], LEAVES[5])
    assert len(hashes) == len(path) + 1


@settings(max_examples=examples(25))
@given(st.integers(2, 5_000), st.data())
def test_trees_of_any_size_agree_with_the_reference(size: int, data: st.DataObject) -> None:
    inputs = tuple(index.to_bytes(3, "big") for index in range(size))
    leaves = [hash_leaf(item) for item in inputs]
    tree = Tree(b"".join(leaves))
    root, index = tree.root(size), data.draw(st.integers(0, size - 1), label="index")
    assert root == rfc.root(inputs)
    path = tree.inclusion_path(index, size)
    assert path == rfc.inclusion_path(index, inputs)
    assert includes(leaves[index], index, size, path, root)
    old_size = data.draw(st.integers(1, size - 1), label="old size")
    proof = tree.consistency_proof(old_size, size)
    assert proof == rfc.consistency_proof(old_size, inputs)
    assert extends(old_size, tree.root(old_size), size, root, proof)
    for bent in mutations(path):
        assert not includes(leaves[index], index, size, bent, root)
    for bent in mutations(proof):
        assert not extends(old_size, tree.root(old_size), size, root, bent)
    rfc.root.cache_clear()
