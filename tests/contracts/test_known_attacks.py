"""Attacks on Merkle logs that worked elsewhere, on ``anchor.log.merkle`` and the contract alike.

An inner node for a leaf, a record of 64 bytes, a last leaf repeated (CVE-2012-2459), siblings that
change places, ghosts past the end, proofs of nothing or of zeros, made-up roots, wrong sizes,
replays, forks, and a SHA-256 that does not answer.

Where a check cannot help because the claim itself is the operator's (a size, with it an index), the
test says exactly what is accepted.  What a chain without SHA-256 does is in
``test_registry_construction.py``; here it is a precompile that fails in the middle of a proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak
from support.contract_log import (
    CLOSED,
    LEAVES,
    ZERO,
    anchor_sizes,
    check_view_refuses,
    log_id,
    proof_between,
    refused,
    root_of,
)
from support.large_tree import Consistency, Inclusion, LargeTree, Node
from support.rfc9162_reference import (
    consistency_proof,
    hash_leaf,
    hash_node,
    inclusion_path,
    inclusion_shape,
    root,
)
from support.sha256less_evm import Precompile, answering, call, intact, reverting_with
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

from anchor.base.errors import MismatchError
from anchor.log import merkle
from anchor.log.tree import Tree

TREE = LargeTree(LEAVES)
NUMBERS = count(1000)


@pytest.fixture
def new_log(owner: Any) -> Callable[[], bytes]:
    return lambda: log_id(owner, next(NUMBERS))


def anchor_first(registry: Any, owner: Any, log: bytes, top: bytes, size: int) -> bytes:
    """Anchor ``top`` as the first of ``log``, over as many leaves as one cares to say."""
    registry.anchor(log, top, size, [], sender=owner)
    return log


def python_accepts(claim: Inclusion | Consistency) -> bool:
    try:
        if isinstance(claim, Inclusion):
            leaf, index, size, top, path = claim
            merkle.verify_inclusion(leaf=leaf, index=index, size=size, path=path, root=top)
        else:
            merkle.verify_consistency(**claim._asdict())
    except MismatchError:
        return False
    return True


def view_accepts(method: Any, arguments: list[Any], error: Any, operands: list[Any]) -> bool:
    """Whether the view returns; any error but this one with these operands raises."""
    contract = method.contract
    data = bytes(method.encode_input(*arguments))
    try:
        contract.provider.web3.eth.call({"to": contract.address, "data": data})
    except ContractCustomError as refusal:
        types = [operand.type for operand in error.abi.inputs]
        expected = keccak(text=error.abi.selector)[:4] + encode(types, operands)
        assert refusal.data == "0x" + expected.hex()
        return False
    return True


def registry_includes(registry: Any, log: bytes, claim: Inclusion) -> bool:
    """Ask the registry, which takes the size from the anchor, and Python with that size."""
    leaf, index, size, top, path = claim
    assert registry.anchorOf(log, top).size == size
    accepted = view_accepts(
        registry.verifyInclusion,
        [log, top, leaf, index, path],
        registry.InvalidInclusionProof,
        [top, size, leaf, index],
    )
    assert accepted == python_accepts(claim)
    return accepted


def registry_extends(registry: Any, claim: Consistency) -> bool:
    accepted = view_accepts(
        registry.verifyConsistency, list(claim), registry.InvalidConsistencyProof, list(claim[:4])
    )
    assert accepted == python_accepts(claim)
    return accepted


def judge(harness: Any, claims: list[Any]) -> list[bool]:
    """Ask the library through the harness, and Python."""
    methods = {Inclusion: harness.judgeInclusions, Consistency: harness.judgeConsistencies}
    verdicts: list[bool] = []
    for start in range(0, len(claims), 400):
        answer = methods[type(claims[0])](claims[start : start + 400])
        verdicts += [byte == 1 for byte in answer]
    assert verdicts == [python_accepts(claim) for claim in claims]
    return verdicts


# An inner node for a leaf


@pytest.mark.fault(
    "H1",
    how="an inner node is given to the contract as a leaf",
    then="reverts",
)
def test_an_inner_node_is_no_leaf_of_a_tree_anchored_with_its_size(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    log = anchor_first(registry, owner, new_log(), root_of(7), 7)
    for index in range(7):
        claim = TREE.inclusion(index, 7)
        assert registry_includes(registry, log, claim)
        for at, node in enumerate([*TREE.ancestors(index, 7)[1:], Node(TREE, 0, 7)], start=1):
            presented = claim._replace(leaf_hash=node.hash)
            # Too few hashes for this index and size; with all of them, another root.
            assert not registry_includes(registry, log, presented._replace(proof=claim.proof[at:]))
            assert not registry_includes(registry, log, presented)


def test_no_index_and_no_cut_of_any_path_make_an_inner_node_a_leaf(harness: Any) -> None:
    claims = [
        Inclusion(node.hash, index, size, root_of(size), path[at:])
        for size in range(2, 13)
        for leaf in range(size)
        for path in [TREE.inclusion(leaf, size).proof]
        for node in TREE.ancestors(leaf, size)[1:]
        for index in range(size)
        for at in range(len(path) + 1)
        # A ragged edge of one leaf is the leaf.
        if node.end - node.start > 1
    ]
    assert len(claims) > 3000
    assert not any(judge(harness, claims))


def test_an_inner_node_is_a_leaf_where_the_operator_anchored_half_the_size(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    # The documented limit: the shapes fit, and nobody has hashed a record.
    log = anchor_first(registry, owner, new_log(), root_of(8), 4)
    for index in range(4):
        node = Node(TREE, 2 * index, 2 * index + 2)
        claim = Inclusion(node.hash, index, 4, root_of(8), TREE.inclusion(2 * index, 8).proof[1:])
        assert registry_includes(registry, log, claim)
        # What stops it: whoever has a record hashes it, and no record has that hash.
        left, right = node.left.hash, node.right.hash
        assert node.hash == hashlib.sha256(b"\1" + left + right).digest()
        for record in (left + right, b"\1" + left + right, LEAVES[2 * index]):
            forged = claim._replace(leaf_hash=merkle.hash_leaf(record))
            assert not registry_includes(registry, log, forged)
    # The true leaves are lost: their paths are too long for four leaves, at any index.
    for leaf in range(8):
        honest = TREE.inclusion(leaf, 8)
        for index in range(4):
            claim = honest._replace(index=index, size=4)
            assert not registry_includes(registry, log, claim)
    # Whoever has the leaves sees it: four of them have another root, and this root takes eight.
    leaves = [merkle.hash_leaf(record) for record in LEAVES[:8]]
    tree = Tree(b"".join(leaves))
    assert [size for size in range(1, 9) if tree.root(size) == root_of(8)] == [8]


@pytest.mark.fault(
    "H2",
    how="a record of 64 bytes, made of two hashes",
    then="never taken for a node, nor a node for it",
)
@pytest.mark.parametrize("size", [2, 4, 8])
def test_a_record_of_64_bytes_is_no_second_preimage(
    registry: Any, owner: Any, new_log: Callable[[], bytes], size: int
) -> None:
    # Without prefixes the record left ‖ right hashes to its parent (CVE-2017-12842 in Bitcoin).
    left, right = hash_leaf(LEAVES[0]), hash_leaf(LEAVES[1])
    log = anchor_first(registry, owner, new_log(), root_of(size), size)
    short = anchor_first(registry, owner, new_log(), root_of(size), size // 2)
    path = TREE.inclusion(0, size).proof[1:]
    for record in (left + right, b"\1" + left + right, right + left):
        leaf = hash_leaf(record)
        assert leaf != hash_node(left, right)
        for anchored, claimed in ((log, size), (short, size // 2)):
            claim = Inclusion(leaf, 0, claimed, root_of(size), path)
            assert not registry_includes(registry, anchored, claim)


# Other trees with the same root


def bitcoin_root(hashes: list[bytes]) -> bytes:
    """Bitcoin's way: a lone node is paired with itself."""
    while len(hashes) > 1:
        hashes = [*hashes, hashes[-1]] if len(hashes) % 2 else hashes
        hashes = [hash_node(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]


@pytest.mark.parametrize("size", [3, 5, 6, 7])
def test_a_last_leaf_repeated_makes_another_tree(
    registry: Any, owner: Any, new_log: Callable[[], bytes], size: int
) -> None:
    # CVE-2012-2459: there, the tree over a b c is also the tree over a b c c.
    repeated = (*LEAVES[:size], *LEAVES[size - (size & -size) : size])
    doubled = LargeTree(repeated)
    assert bitcoin_root([*map(hash_leaf, repeated)]) == bitcoin_root(
        [*map(hash_leaf, LEAVES[:size])]
    )
    assert root(repeated) == doubled.root(0, len(repeated)) != root_of(size)
    log = anchor_first(registry, owner, new_log(), root_of(size), size)
    other = anchor_first(registry, owner, new_log(), root(repeated), len(repeated))
    for index in range(len(repeated)):
        long = doubled.inclusion(index, len(repeated))
        assert registry_includes(registry, other, long)
        for at in range(size):
            crossed = long._replace(index=at, size=size, root=root_of(size))
            assert not registry_includes(registry, log, crossed)
            short = TREE.inclusion(at, size)
            crossed = short._replace(index=index, size=len(repeated), root=root(repeated))
            assert not registry_includes(registry, other, crossed)


@pytest.mark.parametrize("size", range(2, 9))
def test_the_followed_node_in_its_siblings_place_is_refused(
    registry: Any, owner: Any, new_log: Callable[[], bytes], size: int
) -> None:
    log = anchor_first(registry, owner, new_log(), root_of(size), size)
    for index in range(size):
        claim = TREE.inclusion(index, size)
        for at, node in enumerate(TREE.ancestors(index, size)):
            proof = [*claim.proof[:at], node.hash, *claim.proof[at + 1 :]]
            assert not registry_includes(registry, log, claim._replace(proof=proof))


def test_siblings_do_not_change_places(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    # Where pairs are sorted before hashing, a path proves no position.
    log = anchor_first(registry, owner, new_log(), root_of(8), 8)
    for index in range(8):
        claim = TREE.inclusion(index, 8)
        for other in range(8):
            moved = claim._replace(index=other)
            assert registry_includes(registry, log, moved) == (other == index)
        beside = claim._replace(leaf_hash=claim.proof[0], proof=[claim.leaf_hash, *claim.proof[1:]])
        assert not registry_includes(registry, log, beside)
        assert registry_includes(registry, log, beside._replace(index=index ^ 1))


# Indices


@pytest.mark.parametrize("size", [1, 5, 6, 7, 8])
def test_an_index_past_the_end_is_refused_with_any_leafs_path(
    registry: Any, owner: Any, new_log: Callable[[], bytes], size: int
) -> None:
    log = anchor_first(registry, owner, new_log(), root_of(size), size)
    # The ghosts of the right edge's missing part first.
    ghosts = [*range(size, 9), size + 8, 2**48, 2**64, 2**256 - 1]
    for index in range(size):
        claim = TREE.inclusion(index, size)
        for ghost in (*ghosts, index + 8, index + 2**48, index + 2**255):
            assert not registry_includes(registry, log, claim._replace(index=ghost))


def test_a_path_proves_one_index_of_a_tree_and_no_other(harness: Any) -> None:
    claims, expected = [], []
    for size in range(1, 25):
        for index in range(size):
            claim = TREE.inclusion(index, size)
            claims += [claim._replace(index=other) for other in range(size + 2)]
            expected += [other == index for other in range(size + 2)]
    assert judge(harness, claims) == expected


def test_a_wrong_size_moves_a_leaf_to_the_index_with_the_same_sides(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    # Leaf 6 of 7 has two siblings, both to its left, as leaf 10 of 11 has.
    assert inclusion_shape(6, 7) == inclusion_shape(10, 11) == ["left", "left"]
    log = anchor_first(registry, owner, new_log(), root_of(7), 11)
    claim = TREE.inclusion(6, 7)._replace(size=11)
    accepted = [
        index
        for index in range(13)
        if registry_includes(registry, log, claim._replace(index=index))
    ]
    assert accepted == [10]


# Proofs of nothing


def test_an_empty_path_proves_the_only_leaf_of_a_tree(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    for size in range(1, 10):
        log = anchor_first(registry, owner, new_log(), root_of(size), size)
        for leaf in (root_of(size), hash_leaf(LEAVES[0]), ZERO):
            claim = Inclusion(leaf, 0, size, root_of(size), [])
            assert registry_includes(registry, log, claim) == (
                size == 1 and leaf == hash_leaf(LEAVES[0])
            )


def test_an_empty_proof_shows_no_growth(registry: Any) -> None:
    for new in range(2, 10):
        for old in range(1, new):
            for pair in ((root_of(old), root_of(new)), (root_of(new),) * 2, (root_of(old),) * 2):
                assert not registry_extends(registry, Consistency(old, pair[0], new, pair[1], []))


def test_zero_nodes_at_either_end_are_refused(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    log = anchor_first(registry, owner, new_log(), root_of(6), 6)
    for zeros in ([ZERO] * number for number in (1, 2, 3, 48, 256)):
        for index in range(6):
            claim = TREE.inclusion(index, 6)
            for proof in ([*claim.proof, *zeros], [*zeros, *claim.proof], zeros):
                assert not registry_includes(registry, log, claim._replace(proof=proof))
        for old in range(1, 6):
            pair = TREE.consistency(old, 6)
            for proof in ([*pair.proof, *zeros], [*zeros, *pair.proof], zeros):
                assert not registry_extends(registry, pair._replace(proof=proof))


def test_a_root_anchored_over_too_many_leaves_takes_no_zero_nodes_either(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    log = anchor_first(registry, owner, new_log(), root_of(4), 8)
    for index in range(4):
        claim = TREE.inclusion(index, 4)._replace(size=8)
        assert not registry_includes(registry, log, claim)
        assert not registry_includes(registry, log, claim._replace(proof=[*claim.proof, ZERO]))


@pytest.mark.parametrize("cut", [1, 31, 32, 64])
def test_a_proof_that_ends_outside_the_calldata_is_not_read_as_zeros(
    registry: Any, owner: Any, new_log: Callable[[], bytes], cut: int
) -> None:
    # The library reads nodes by CALLDATALOAD, which gives zeros past the end.
    top = hash_node(root_of(4), ZERO)
    log = anchor_first(registry, owner, new_log(), top, 5)
    path = [*TREE.inclusion(0, 4).proof, ZERO]
    inclusion = [log, top, hash_leaf(LEAVES[0]), 0, path]
    consistency = [4, root_of(4), 5, top, [ZERO]]
    for method, arguments in (
        (registry.verifyInclusion, inclusion),
        (registry.verifyConsistency, consistency),
    ):
        data = bytes(method.encode_input(*arguments))
        eth = registry.provider.web3.eth
        eth.call({"to": registry.address, "data": data})
        with pytest.raises(ContractLogicError) as caught:
            eth.call({"to": registry.address, "data": data[:-cut]})
        assert caught.value.data in (None, "0x")


@pytest.mark.parametrize("length", [2, 2**64, 2**251, 2**251 + 1, 2**256 - 1])
def test_a_proof_longer_than_the_calldata_is_refused(registry: Any, length: int) -> None:
    data = bytes(registry.verifyConsistency.encode_input(*TREE.consistency(4, 8)))
    forged = data[:-64] + length.to_bytes(32, "big") + data[-32:]
    eth = registry.provider.web3.eth
    eth.call({"to": registry.address, "data": data})
    with pytest.raises(ContractLogicError) as caught:
        eth.call({"to": registry.address, "data": forged})
    assert caught.value.data in (None, "0x")


# Roots


def test_nothing_leads_to_a_root_of_zeros_or_ones(harness: Any) -> None:
    claims = [
        claim._replace(root=top)
        for size in range(1, 10)
        for claim in (TREE.inclusion(index, size) for index in range(size))
        for top in (ZERO, CLOSED)
    ]
    assert not any(judge(harness, claims))
    pairs = [
        claim._replace(**{which: top})
        for new in range(2, 10)
        for claim in (TREE.consistency(old, new) for old in range(1, new))
        for which in ("old_root", "new_root")
        for top in (ZERO, CLOSED)
    ]
    assert not any(judge(harness, pairs))


@pytest.mark.parametrize("made_up", [ZERO, CLOSED], ids=["zeros", "ones"])
def test_a_made_up_root_stands_for_itself_but_can_never_be_anchored(
    harness: Any, registry: Any, owner: Any, new_log: Callable[[], bytes], made_up: bytes
) -> None:
    # A tree of one leaf is its hash, and the old root of a power of two is taken as given: true of
    # a tree that nobody can show the leaves of.
    assert judge(harness, [Inclusion(made_up, 0, 1, made_up, [])]) == [True]
    new_root = hash_node(made_up, root_of(1))
    assert registry_extends(registry, Consistency(4, made_up, 5, new_root, [root_of(1)]))
    # Nor does it get a log anywhere: neither word becomes a head, or is found anchored.
    log = new_log()
    with refused(registry.InvalidRoot, root=made_up):
        registry.anchor(log, made_up, 4, [], sender=owner)
    check_view_refuses(
        registry.verifyInclusion,
        [log, made_up, made_up, 0, []],
        registry.NotAnchored,
        log=log,
        root=made_up,
    )


# Sizes


def test_a_log_grows_to_a_root_under_every_size_of_the_same_shape_and_no_other(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    # From 4 leaves, the proof to 8 is one hash: that of all that came.  So it is to 5, 6 and 7.
    accepted = []
    for size in range(5, 20):
        log = anchor_first(registry, owner, new_log(), root_of(4), 4)
        claim = Consistency(4, root_of(4), size, root_of(8), proof_between(4, 8))
        if not registry_extends(registry, claim):
            with refused(
                registry.InvalidConsistencyProof,
                oldSize=4,
                oldRoot=root_of(4),
                newSize=size,
                newRoot=root_of(8),
            ):
                registry.anchor(log, root_of(8), size, proof_between(4, 8), sender=owner)
            continue
        registry.anchor(log, root_of(8), size, proof_between(4, 8), sender=owner)
        accepted.append(size)
    assert accepted == [5, 6, 7, 8]


def test_under_a_wrong_size_the_old_leaves_keep_their_indices_and_the_new_are_not_found(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    log = anchor_first(registry, owner, new_log(), root_of(4), 4)
    registry.anchor(log, root_of(8), 5, proof_between(4, 8), sender=owner)
    for leaf in range(8):
        claim = TREE.inclusion(leaf, 8)._replace(size=5)
        accepted = [
            index
            for index in range(5)
            if registry_includes(registry, log, claim._replace(index=index))
        ]
        assert accepted == ([leaf] if leaf < 4 else [])
    # "Leaf 4 of 5" is the node over the four that came: no record's hash.
    node = Node(TREE, 4, 8)
    claim = Inclusion(node.hash, 4, 5, root_of(8), [root_of(4)])
    assert registry_includes(registry, log, claim)
    # The old root is extended for all that: its leaves are the first four of this tree.
    assert registry_extends(registry, TREE.consistency(4, 8))
    # And recomputing the root from the leaves shows the true size.
    leaves = b"".join(map(hash_leaf, LEAVES[:8]))
    tree = Tree(leaves)
    assert [size for size in range(1, 9) if tree.root(size) == root_of(8)] == [8]


def test_a_first_anchor_may_claim_any_size_but_only_leaves_of_a_fitting_shape_are_proven(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    for size in (1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 2**48 - 1):
        log = anchor_first(registry, owner, new_log(), root_of(6), size)
        for leaf in range(6):
            honest = TREE.inclusion(leaf, 6)
            for index in {*range(min(size, 16)), size - 1}:
                claim = honest._replace(index=index, size=size)
                fits = inclusion_shape(index, size) == inclusion_shape(leaf, 6)
                assert registry_includes(registry, log, claim) == fits


# Replays


def test_a_consistency_proof_serves_no_other_pair_of_sizes(harness: Any) -> None:
    pairs = [(old, new) for new in range(2, 13) for old in range(1, new)]
    claims = [
        TREE.consistency(*pair)._replace(proof=TREE.consistency(*other).proof)
        for pair in pairs
        for other in pairs
    ]
    expected = [pair == other for pair in pairs for other in pairs]
    assert judge(harness, claims) == expected


def test_a_proof_serves_no_second_anchor(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    log = new_log()
    anchor_sizes(registry, owner, log, 3, 5)
    for size in (6, 7, 8, 10):
        for replayed in (proof_between(3, 5), proof_between(3, size), proof_between(4, size)):
            operands = {"newSize": size, "newRoot": root_of(size)}
            with refused(
                registry.InvalidConsistencyProof, oldSize=5, oldRoot=root_of(5), **operands
            ):
                registry.anchor(log, root_of(size), size, replayed, sender=owner)


def test_a_forked_log_is_refused(registry: Any, owner: Any, new_log: Callable[[], bytes]) -> None:
    log = new_log()
    anchor_sizes(registry, owner, log, 5)
    for changed in range(5):
        fork = (*LEAVES[:changed], b"another record", *LEAVES[changed + 1 : 8])
        for proof in (consistency_proof(5, fork), proof_between(5, 8)):
            claim = Consistency(5, root_of(5), 8, root(fork), proof)
            assert not registry_extends(registry, claim)
        # A leaf of the fork is none of the log.
        forged = Inclusion(hash_leaf(fork[changed]), changed, 5, root_of(5), [])
        for path in (inclusion_path(changed, fork[:5]), inclusion_path(changed, LEAVES[:5])):
            assert not registry_includes(registry, log, forged._replace(proof=path))


@pytest.mark.parametrize("old,new", [(3, 8), (4, 8), (7, 13)])
def test_old_and_new_do_not_change_places(registry: Any, old: int, new: int) -> None:
    pair = TREE.consistency(old, new)
    assert registry_extends(registry, pair)
    roots = {"old_root": pair.new_root, "new_root": pair.old_root}
    sizes = {"old_size": new, "new_size": old}
    for exchanged in (roots, sizes, roots | sizes):
        assert not registry_extends(registry, pair._replace(**exchanged))


# A SHA-256 precompile that does not answer


SHA256_FAILED = keccak(text="Sha256Failed()")[:4]


def failing_from(call_number: int, broken: Precompile | None) -> Precompile:
    """A precompile that answers until this call, counted from 1; ``None`` then answers nothing."""
    calls = count(1)

    def answer(computation: Any) -> Any:
        if next(calls) < call_number:
            return intact(computation)
        return answering(b"")(computation) if broken is None else broken(computation)

    return answer


BROKEN = [
    pytest.param(None, id="nothing"),
    pytest.param(answering(ZERO[:31]), id="31 bytes"),
    pytest.param(answering(bytes(33)), id="33 bytes"),
    pytest.param(answering(bytes(64)), id="64 bytes"),
    pytest.param(reverting_with(b""), id="failing"),
    pytest.param(reverting_with(ZERO), id="failing with a digest"),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_precompile_that_fails_at_any_step_of_a_proof_stops_it(
    registry: Any, harness: Any, broken: Precompile | None
) -> None:
    inclusion = TREE.inclusion(5, 13)
    consistency = TREE.consistency(5, 13)
    # Every sibling is hashed once, and once more where it is part of the old tree, too.
    for contract, data, hashes in (
        (harness, harness.verifyInclusion.encode_input(inclusion), 4),
        (registry, registry.verifyConsistency.encode_input(*consistency), 5),
    ):
        code = bytes(contract.provider.get_code(contract.address))
        for call_number in range(1, hashes + 1):
            outcome = call(code, bytes(data), failing_from(call_number, broken))
            assert outcome.reverted
            assert outcome.output == SHA256_FAILED
        outcome = call(code, bytes(data), failing_from(hashes + 1, broken))
        assert not outcome.reverted


def test_too_little_gas_neither_proves_nor_refutes(
    registry: Any, owner: Any, new_log: Callable[[], bytes]
) -> None:
    log = anchor_first(registry, owner, new_log(), root_of(64), 64)
    honest = TREE.inclusion(37, 64)
    forged = honest._replace(leaf_hash=hash_leaf(b"forged"))
    eth = registry.provider.web3.eth
    ends: dict[bytes, set[str]] = {}
    for claim in (honest, forged):
        leaf, index, size, top, path = claim
        data = bytes(registry.verifyInclusion.encode_input(log, top, leaf, index, path))
        refusal = keccak(text=registry.InvalidInclusionProof.abi.selector)[:4] + encode(
            ["bytes32", "uint256", "bytes32", "uint256"], [top, size, leaf, index]
        )
        ends[leaf] = found = set()
        for gas in range(25_000, 45_000, 100):
            try:
                eth.call({"to": registry.address, "data": data, "gas": gas})
                found.add("accepted")
            except ContractCustomError as error:
                found.add("refused" if error.data == "0x" + refusal.hex() else error.data)
            except (ContractLogicError, Web3RPCError):
                found.add("out of gas")
    assert ends[honest.leaf_hash] == {"out of gas", "accepted"}
    assert ends[forged.leaf_hash] == {"out of gas", "refused"}
