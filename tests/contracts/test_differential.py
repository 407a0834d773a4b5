"""Python's and Solidity's verifiers on the same random and bent proofs: they agree, and are right.

Another campaign, from the repository's root (numbers are cases; one alone is made again by
``CAMPAIGN_FIRST`` and a ``CAMPAIGN_CASES`` of 1):

    CAMPAIGN_SEED=7 CAMPAIGN_CASES=1000000 pytest -s -c tests/contracts/pytest.ini \
        tests/contracts/test_differential.py
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from eth_abi import decode, encode
from support import rfc9162_reference
from support.large_tree import (
    Consistency,
    Inclusion,
    LargeTree,
    Node,
    is_consistent,
    is_included,
    split,
)
from support.proof_campaign import (
    ALL_KINDS,
    SHAPED_KINDS,
    TRUE_KINDS,
    Case,
    make_cases,
)
from support.proof_edits import Claim, Forest, grow_forest

from anchor.base.errors import MismatchError
from anchor.log import merkle

SEED = int(os.environ.get("CAMPAIGN_SEED", "9162"))
CASES = int(os.environ.get("CAMPAIGN_CASES", "100000"))
FIRST = int(os.environ.get("CAMPAIGN_FIRST", "0"))
# Fewer say nothing about how often each kind comes.
FULL_CAMPAIGN = 100_000

# One eth_call stays far below anvil's block gas limit, with 300 hashes a proof, too.
WORDS_PER_CALL = 12_000
INCLUSION = "(bytes32,uint256,uint256,bytes32,bytes32[])[]"
CONSISTENCY = "(uint256,bytes32,uint256,bytes32,bytes32[])[]"


def accepts(claim: Claim) -> bool:
    """Ask ``anchor.log.merkle``."""
    try:
        if isinstance(claim, Inclusion):
            leaf, index, size, root, path = claim
            merkle.verify_inclusion(leaf=leaf, index=index, size=size, path=path, root=root)
        else:
            merkle.verify_consistency(**claim._asdict())
    except MismatchError:
        return False
    return True


def word(value: int | bytes) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else value


def encode_claims(claims: list[Claim]) -> bytes:
    """Encode the harness's one argument; for 100,000 claims eth_abi would take minutes."""
    tuples = [
        b"".join([*map(word, claim[:4]), word(160), word(len(claim.proof)), *claim.proof])
        for claim in claims
    ]
    offsets, end = [], 32 * len(tuples)
    for encoded in tuples:
        offsets.append(word(end))
        end += len(encoded)
    return b"".join([word(32), word(len(tuples)), *offsets, *tuples])


def judge(harness: Any, claims: list[Claim]) -> list[bool]:
    """Ask the contract; a refusal with anything but the right error and operands raises."""
    is_inclusion = isinstance(claims[0], Inclusion)
    method = harness.judgeInclusions if is_inclusion else harness.judgeConsistencies
    data = bytes(method.encode_input([]))[:4] + encode_claims(claims)
    call = {"to": harness.address, "data": "0x" + data.hex()}
    answer = harness.provider.make_request("eth_call", [call, "latest"])
    (verdicts,) = decode(["bytes"], bytes.fromhex(answer[2:]))
    assert len(verdicts) == len(claims)
    return [{0: False, 1: True}[verdict] for verdict in verdicts]


def batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    """Gather cases into calls, inclusions and consistencies apart."""
    waiting: dict[type[Claim], tuple[list[Case], int]] = {}
    for case in cases:
        gathered, words = waiting.pop(type(case.claim), ([], 0))
        gathered.append(case)
        words += 7 + len(case.claim.proof)
        if words < WORDS_PER_CALL:
            waiting[type(case.claim)] = gathered, words
        else:
            yield gathered
    yield from (gathered for gathered, _ in waiting.values())


def describe(case: Case, python: bool, solidity: bool) -> str:
    return (
        f"CAMPAIGN_SEED={SEED} CAMPAIGN_FIRST={case.number} CAMPAIGN_CASES=1 ({case.kind}): "
        f"true {case.is_true}, Python {python}, Solidity {solidity}\n{show(case.claim)}"
    )


def show(claim: Claim) -> str:
    fields = claim._asdict().items()
    return "\n".join(f"  {name} = {show_value(value)}" for name, value in fields)


def show_value(value: int | bytes | list[bytes]) -> str:
    if isinstance(value, list):
        return f"[{', '.join(node.hex() for node in value)}]"
    return value.hex() if isinstance(value, bytes) else str(value)


@cache
def forest() -> Forest:
    return grow_forest()


# The judge itself


def fold(claim: Claim) -> bool:
    """Judge by the reference's shapes and hashes: slower, and in the direction of the verifiers."""
    if isinstance(claim, Inclusion):
        return claim.index < claim.size and fold_inclusion(claim)
    return 0 < claim.old_size < claim.new_size and fold_consistency(claim)


def fold_inclusion(claim: Inclusion) -> bool:
    shape = rfc9162_reference.inclusion_shape(claim.index, claim.size)
    if len(shape) != len(claim.proof):
        return False
    node = claim.leaf_hash
    for side, sibling in zip(shape, claim.proof, strict=True):
        pair = (node, sibling) if side == "right" else (sibling, node)
        node = rfc9162_reference.hash_node(*pair)
    return node == claim.root


def fold_consistency(claim: Consistency) -> bool:
    start, *shape = rfc9162_reference.consistency_shape(claim.old_size, claim.new_size)
    proof = [claim.old_root, *claim.proof] if start == "old root" else claim.proof
    if len(proof) != 1 + len(shape):
        return False
    old = new = proof[0]
    for part, sibling in zip(shape, proof[1:], strict=True):
        if part == "right of new":
            new = rfc9162_reference.hash_node(new, sibling)
        else:
            old = rfc9162_reference.hash_node(sibling, old)
            new = rfc9162_reference.hash_node(sibling, new)
    return (old, new) == (claim.old_root, claim.new_root)


def test_the_large_tree_is_the_references() -> None:
    records = tuple(b"%d" % number for number in range(70))
    tree = LargeTree(records)
    for size in range(1, len(records) + 1):
        leaves = records[:size]
        assert tree.root(0, size) == rfc9162_reference.root(leaves)
        assert size == 1 or split(size) == rfc9162_reference.split(size)
        for index in range(size):
            path = rfc9162_reference.inclusion_path(index, leaves)
            leaf = rfc9162_reference.hash_leaf(records[index])
            assert tree.inclusion(index, size)[::4] == (leaf, path)
            # Beside each node below the root stands its sibling.
            parents = [*tree.ancestors(index, size), Node(tree, 0, size)][1:]
            for node, sibling, parent in zip(
                tree.ancestors(index, size), path, parents, strict=True
            ):
                assert {node.hash, sibling} == {parent.left.hash, parent.right.hash}
        for old in range(1, size):
            proof = rfc9162_reference.consistency_proof(old, leaves)
            assert tree.consistency(old, size).proof == proof


def test_the_judge_goes_by_the_references_shapes() -> None:
    tree = LargeTree(b"%d" % number for number in range(12))
    for size in range(1, 13):
        for index in range(size):
            honest = tree.inclusion(index, size)
            for claimed in range(1, 14):
                for other in range(claimed):
                    claim = honest._replace(index=other, size=claimed)
                    assert is_included(claim, Node(tree, 0, size)) == fold(claim)
        for old in range(1, size):
            pair = tree.consistency(old, size)
            for new_claimed in range(14):
                for old_claimed in range(14):
                    bent = pair._replace(old_size=old_claimed, new_size=new_claimed)
                    tops = Node(tree, 0, old), Node(tree, 0, size)
                    assert is_consistent(bent, *tops) == fold(bent)


def test_the_judge_descends_to_what_hashing_upwards_gives() -> None:
    wrong = [
        describe(case, fold(case.claim), fold(case.claim))
        for case in make_cases(forest(), SEED, 0, 4_000)
        # The reference's `split` counts up: slow for large sizes.
        if max(field for field in case.claim if isinstance(field, int)) < 2**64
        if case.is_true != fold(case.claim)
    ]
    assert wrong == []


def test_the_encoding_is_eth_abis() -> None:
    cases = [case.claim for case in make_cases(forest(), SEED, 0, 200)]
    inclusions: list[Claim] = [claim for claim in cases if isinstance(claim, Inclusion)]
    consistencies: list[Claim] = [claim for claim in cases if isinstance(claim, Consistency)]
    assert encode_claims(inclusions) == encode([INCLUSION], [inclusions])
    assert encode_claims(consistencies) == encode([CONSISTENCY], [consistencies])


def test_a_case_is_made_again_from_its_seed_and_number_alone() -> None:
    cases = list(make_cases(forest(), SEED, 0, 50))
    assert list(make_cases(forest(), SEED, 20, 30)) == cases[20:]
    assert list(make_cases(forest(), SEED + 1, 0, 50)) != cases


# The campaign


def test_100_000_proofs_are_judged_alike_by_python_and_solidity_and_rightly(harness: Any) -> None:
    counts: Counter[tuple[str, bool]] = Counter()
    wrong: list[str] = []
    for batch in batches(make_cases(forest(), SEED, FIRST, CASES)):
        verdicts = judge(harness, [case.claim for case in batch])
        for case, solidity in zip(batch, verdicts, strict=True):
            python = accepts(case.claim)
            if not (python == solidity == case.is_true):
                wrong.append(describe(case, python, solidity))
            counts[case.kind, case.is_true] += 1
    assert counts.total() == CASES
    report(counts)
    assert not wrong, f"{len(wrong)} of {CASES} cases, the first:\n" + "\n".join(wrong[:3])
    # What the kind says of every case, whatever the judge says of the one.
    assert [kind for kind in TRUE_KINDS if counts[kind, False]] == []
    never = ALL_KINDS - TRUE_KINDS - SHAPED_KINDS
    assert [kind for kind in never if counts[kind, True]] == []
    if CASES >= FULL_CAMPAIGN:
        check_that_every_kind_came(counts)


def check_that_every_kind_came(counts: Counter[tuple[str, bool]]) -> None:
    kinds = {kind: counts[kind, True] + counts[kind, False] for kind in ALL_KINDS}
    assert set(kinds) == {kind for kind, _ in counts}
    assert min(kinds.values()) >= CASES // 300  # the mean is 500 to 550 of 100,000
    for verdict in (True, False):
        for claim in ("inclusion", "consistency"):
            came = sum(
                number
                for (kind, is_true), number in counts.items()
                if is_true is verdict and kind.startswith(claim)
            )
            assert came >= CASES // 10
    # Wrong sizes whose proofs have the same shape, and ones that have not.
    both = [kind for kind in SHAPED_KINDS if counts[kind, True] and counts[kind, False]]
    assert len(both) >= len(SHAPED_KINDS) - 2


def report(counts: Counter[tuple[str, bool]]) -> None:
    """Print the table, for ``pytest -s``."""
    print(f"\n{counts.total()} cases from {FIRST}, seed {SEED}: accepted, refused")
    for kind in sorted(ALL_KINDS):
        print(f"{counts[kind, True]:8}{counts[kind, False]:8}  {kind}")


@pytest.mark.parametrize("height", [48, 64, 128, 255])
def test_the_largest_trees_are_judged_alike(harness: Any, height: int) -> None:
    # Subtrees of equal leaves are equal, so that 2^height - 1 leaves take as many hashes.
    size = 2**height - 1
    ladder = [rfc9162_reference.hash_leaf(b"")]
    for _ in range(height - 1):
        ladder.append(rfc9162_reference.hash_node(ladder[-1], ladder[-1]))
    edges = [ladder[0]]
    for node in ladder[1:]:
        edges.append(rfc9162_reference.hash_node(node, edges[-1]))
    last = Inclusion(ladder[0], size - 1, size, edges[-1], ladder[1:])
    first = last._replace(index=0, proof=[*ladder[:-1], edges[-2]])
    true: list[Claim] = [last, first]
    false: list[Claim] = [
        last._replace(proof=ladder),
        last._replace(proof=[*ladder[1:], edges[-1]]),
        last._replace(index=size),
        last._replace(size=size + 1),
        first._replace(size=size - 2 ** (height - 1)),
        first._replace(proof=ladder),
    ]
    assert judge(harness, true) == [accepts(claim) for claim in true] == [True] * len(true)
    assert judge(harness, false) == [accepts(claim) for claim in false] == [False] * len(false)
    half = 2 ** (height - 1)
    grown = Consistency(half, ladder[-1], size, edges[-1], [edges[-2]])
    odd = Consistency(
        size - 1,
        parent_of_edges(ladder),
        size,
        edges[-1],
        [ladder[1], ladder[0], *ladder[2:]],
    )
    pairs: list[Claim] = [grown, odd]
    assert judge(harness, pairs) == [accepts(claim) for claim in pairs] == [True] * len(pairs)
    bent: list[Claim] = [
        grown._replace(old_size=half + 1),
        grown._replace(old_size=half - 1),
        grown._replace(new_size=half),
        odd._replace(old_size=size),
        odd._replace(proof=[*odd.proof, ladder[-1]]),
    ]
    assert judge(harness, bent) == [accepts(claim) for claim in bent] == [False] * len(bent)


def parent_of_edges(ladder: list[bytes]) -> bytes:
    """The root over all leaves but the last of 2^height - 1: complete subtrees from 2 leaves up."""
    root = ladder[1]
    for node in ladder[2:]:
        root = rfc9162_reference.hash_node(node, root)
    return root
