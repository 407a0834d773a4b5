"""The Solidity verifiers against RFC 9162's recursive definitions, exhaustively for small trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from support.rfc9162_reference import (
    consistency_proof,
    consistency_shape,
    hash_leaf,
    hash_node,
    inclusion_path,
    inclusion_shape,
    root,
)

LARGEST = 64
# Mutations of every proof up to here: past 32 the shapes only repeat, one level up.
LARGEST_MUTATED = 33
# One eth_call stays far below anvil's block gas limit.
CASES_PER_CALL = 400

LEAVES = tuple(f"leaf {number}".encode() for number in range(LARGEST))
OTHER = hash_leaf(b"not in the tree")
ZERO = bytes(32)


class Inclusion(NamedTuple):
    leaf_hash: bytes
    index: int
    size: int
    root: bytes
    proof: list[bytes]


class Consistency(NamedTuple):
    old_size: int
    old_root: bytes
    new_size: int
    new_root: bytes
    proof: list[bytes]


def make_inclusion(index: int, size: int) -> Inclusion:
    tree = LEAVES[:size]
    path = inclusion_path(index, tree)
    return Inclusion(hash_leaf(LEAVES[index]), index, size, root(tree), path)


def make_consistency(old: int, new: int) -> Consistency:
    old_tree, new_tree = LEAVES[:old], LEAVES[:new]
    return Consistency(old, root(old_tree), new, root(new_tree), consistency_proof(old, new_tree))


def inclusions(largest: int) -> list[Inclusion]:
    return [make_inclusion(m, n) for n in range(1, largest + 1) for m in range(n)]


def consistencies(largest: int) -> list[Consistency]:
    return [make_consistency(m, n) for n in range(2, largest + 1) for m in range(1, n)]


def flip(value: bytes) -> bytes:
    return bytes([value[0] ^ 0x80]) + value[1:]


def mutated_proofs(proof: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Yield each wrong proof near ``proof``, whose hashes are all different."""
    yield "extended by a hash of its own", [*proof, OTHER]
    yield "extended by a zero node", [*proof, ZERO]
    yield "preceded by another hash", [OTHER, *proof]
    for at in range(len(proof)):
        before, node, after = proof[:at], proof[at], proof[at + 1 :]
        yield f"bit flipped in node {at}", [*before, flip(node), *after]
        yield f"node {at} zeroed", [*before, ZERO, *after]
        yield f"node {at} dropped", [*before, *after]
        yield f"node {at} doubled", [*before, node, node, *after]
        if after:
            yield f"nodes {at} and {at + 1} swapped", [*before, after[0], node, *after[1:]]


def mutated_inclusions() -> Iterator[tuple[str, Inclusion]]:
    for case in inclusions(LARGEST_MUTATED):
        for name, proof in mutated_proofs(case.proof):
            yield name, case._replace(proof=proof)
        yield "another leaf", case._replace(leaf_hash=OTHER)
        yield "another root", case._replace(root=flip(case.root))
        yield "zero root", case._replace(root=ZERO)
        yield "index just outside", case._replace(index=case.size)
        yield "index far outside", case._replace(index=2**256 - 1)
        yield "size zero", case._replace(size=0)


def mutated_consistencies() -> Iterator[tuple[str, Consistency]]:
    for case in consistencies(LARGEST_MUTATED):
        for name, proof in mutated_proofs(case.proof):
            yield name, case._replace(proof=proof)
        yield "empty", case._replace(proof=[])
        yield "another old root", case._replace(old_root=flip(case.old_root))
        yield "another new root", case._replace(new_root=flip(case.new_root))
        yield "roots exchanged", case._replace(old_root=case.new_root, new_root=case.old_root)
        yield "old size zero", case._replace(old_size=0)
        yield "new size zero", case._replace(new_size=0)
        yield "sizes exchanged", case._replace(old_size=case.new_size, new_size=case.old_size)
        yield "sizes equal", case._replace(old_size=case.new_size)
        yield "old size far too large", case._replace(old_size=2**256 - 1)


def judge(method: Callable[..., bytes], cases: list[Any]) -> list[bool]:
    """Ask the contract; a refusal with anything but the right error and operands raises."""
    verdicts: list[bool] = []
    for start in range(0, len(cases), CASES_PER_CALL):
        verdicts += [byte == 1 for byte in method(cases[start : start + CASES_PER_CALL])]
    return verdicts


def test_every_leaf_of_every_tree_up_to_64_is_proven(harness: Any) -> None:
    cases = inclusions(LARGEST)
    assert len(cases) == 2080
    wrong = [
        case[1:3]
        for case, accepted in zip(cases, judge(harness.judgeInclusions, cases), strict=True)
        if not accepted
    ]
    assert wrong == []


def test_every_pair_of_sizes_up_to_64_is_consistent(harness: Any) -> None:
    cases = consistencies(LARGEST)
    assert len(cases) == 2016
    wrong = [
        (case.old_size, case.new_size)
        for case, accepted in zip(cases, judge(harness.judgeConsistencies, cases), strict=True)
        if not accepted
    ]
    assert wrong == []


def test_no_mutated_inclusion_proof_is_accepted(harness: Any) -> None:
    named = list(mutated_inclusions())
    verdicts = judge(harness.judgeInclusions, [case for _, case in named])
    wrong = [
        (name, case.index, case.size)
        for (name, case), accepted in zip(named, verdicts, strict=True)
        if accepted
    ]
    assert wrong == []


def test_no_mutated_consistency_proof_is_accepted(harness: Any) -> None:
    named = list(mutated_consistencies())
    verdicts = judge(harness.judgeConsistencies, [case for _, case in named])
    wrong = [
        (name, case.old_size, case.new_size)
        for (name, case), accepted in zip(named, verdicts, strict=True)
        if accepted
    ]
    assert wrong == []


def test_a_wrong_index_or_size_passes_only_where_its_path_has_the_same_shape(harness: Any) -> None:
    # A root commits to leaves, not to a size: this is exactly how far a claim can be stretched.
    cases, expected = [], []
    for case in inclusions(18):
        true_shape = inclusion_shape(case.index, case.size)
        for size in range(1, 20):
            for index in range(size):
                cases.append(case._replace(index=index, size=size))
                expected.append(inclusion_shape(index, size) == true_shape)
    assert judge(harness.judgeInclusions, cases) == expected


def test_wrong_sizes_pass_only_where_their_proof_has_the_same_shape(harness: Any) -> None:
    cases, expected = [], []
    for case in consistencies(18):
        true_shape = consistency_shape(case.old_size, case.new_size)
        for new in range(2, 20):
            for old in range(1, new):
                cases.append(case._replace(old_size=old, new_size=new))
                expected.append(consistency_shape(old, new) == true_shape)
    assert judge(harness.judgeConsistencies, cases) == expected


def test_equal_sizes_are_refused_whatever_proof_leads_to_their_root(harness: Any) -> None:
    # With an odd size the algorithm of section 2.1.4.2 would start from the last leaf and follow
    # its path up to both roots; the RFC asks for 0 < m < n.
    cases = []
    for size in range(3, LARGEST, 2):
        last = make_inclusion(size - 1, size)
        proof = [last.leaf_hash, *last.proof]
        cases.append(Consistency(size, last.root, size, last.root, proof))
    assert judge(harness.judgeConsistencies, cases) == [False] * len(cases)


def test_a_log_of_the_largest_size_is_proven(harness: Any) -> None:
    # Subtrees of equal leaves are equal, so 2^48 - 1 leaves take 48 hashes.
    largest = 2**48 - 1
    ladder = [hash_leaf(b"")]
    for _ in range(47):
        ladder.append(hash_node(ladder[-1], ladder[-1]))
    edge = ladder[0]
    lower = [edge]
    for node in ladder[1:]:
        edge = hash_node(node, edge)
        lower.append(edge)
    # The last leaf: at every level the sibling is the complete subtree on the left.
    last = Inclusion(ladder[0], largest - 1, largest, edge, ladder[1:])
    first = Inclusion(ladder[0], 0, largest, edge, [*ladder[:47], lower[46]])
    assert judge(harness.judgeInclusions, [last, first]) == [True, True]
    assert judge(harness.judgeInclusions, [last._replace(proof=ladder)]) == [False]
