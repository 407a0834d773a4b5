"""consistency.json: logs said to have grown from one tree to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from support.large_tree import Consistency
from support.proof_edits import EMPTY_ROOT, ZERO
from support.rfc9162_reference import consistency_shape, hash_node
from support.vectors.bends import LIST_EDITS, Edit, bend_claim, flip, with_proof
from support.vectors.cases import Case, invalid, valid
from support.vectors.trees import MAX_SIZE, REAL_LEAVES, SparseTree, tree_of, width_of

ConsistencyEdit = Edit[Consistency]

# Both sizes, bent.  Some of these use the proof in the same way, and so are valid as well.
SIZE_EDITS: dict[str, Callable[[Consistency], tuple[int, int]]] = {
    "old size one up": lambda c: (c.old_size + 1, c.new_size),
    "old size one down": lambda c: (c.old_size - 1, c.new_size),
    "old size 0": lambda c: (0, c.new_size),
    "old size -1": lambda c: (-1, c.new_size),
    "old size the new one": lambda c: (c.new_size, c.new_size),
    "old size above the new one": lambda c: (c.new_size + 1, c.new_size),
    "old size doubled": lambda c: (2 * c.old_size, c.new_size),
    "old size 2^32 higher": lambda c: (c.old_size + 2**32, c.new_size),
    "new size one up": lambda c: (c.old_size, c.new_size + 1),
    "new size one down": lambda c: (c.old_size, c.new_size - 1),
    "new size 0": lambda c: (c.old_size, 0),
    "new size the old one": lambda c: (c.old_size, c.old_size),
    "new size doubled": lambda c: (c.old_size, 2 * c.new_size),
    "new size a power of two": lambda c: (c.old_size, width_of(c.new_size)),
    "new size 2^32 higher": lambda c: (c.old_size, c.new_size + 2**32),
    "new size 2^48 higher": lambda c: (c.old_size, c.new_size + 2**48),
    "both sizes one up": lambda c: (c.old_size + 1, c.new_size + 1),
    "both sizes doubled": lambda c: (2 * c.old_size, 2 * c.new_size),
    "both sizes without their bits above 2^32": lambda c: (
        c.old_size % 2**32,
        c.new_size % 2**32,
    ),
    "the sizes exchanged": lambda c: (c.new_size, c.old_size),
}


def with_sizes(change: Callable[[Consistency], tuple[int, int]]) -> ConsistencyEdit:
    def edit(claim: Consistency, _: SparseTree) -> Consistency:
        old_size, new_size = change(claim)
        return claim._replace(old_size=old_size, new_size=new_size)

    return edit


def proof_between(old_change: int, new_change: int) -> ConsistencyEdit:
    def edit(claim: Consistency, tree: SparseTree) -> Consistency | None:
        old, new = claim.old_size + old_change, claim.new_size + new_change
        return claim._replace(proof=tree.consistency(old, new).proof) if 0 < old < new else None

    return edit


def equal_trees(claim: Consistency, _: SparseTree) -> Consistency:
    root = claim.new_root
    return Consistency(claim.new_size, root, claim.new_size, root, [])


def equal_trees_and_root(claim: Consistency, tree: SparseTree) -> Consistency:
    return equal_trees(claim, tree)._replace(proof=[claim.new_root])


def rewritten(part: str) -> ConsistencyEdit:
    """A log that altered its first leaf after the old head, and so has another new tree."""

    def edit(claim: Consistency, _: SparseTree) -> Consistency:
        tree = SparseTree(range(REAL_LEAVES), altered=[0])
        fork = tree.consistency(claim.old_size, claim.new_size)
        if part == "root":
            return claim._replace(new_root=fork.new_root)
        return claim._replace(new_root=fork.new_root, proof=fork.proof)

    return edit


def seed_byte_moved(claim: Consistency, _: SparseTree) -> Consistency | None:
    """The first node's input cut in another place: without a look at the lengths it holds."""
    if consistency_shape(claim.old_size, claim.new_size)[:2] != ["seed", "left of both"]:
        return None
    seed, sibling = claim.proof[:2]
    return claim._replace(proof=[sibling[-1:] + seed, sibling[:-1], *claim.proof[2:]])


HASH_EDITS: dict[str, ConsistencyEdit] = {
    "the roots exchanged": lambda c, _: c._replace(old_root=c.new_root, new_root=c.old_root),
    "sizes and roots exchanged": lambda c, _: Consistency(
        c.new_size, c.new_root, c.old_size, c.old_root, c.proof
    ),
    "the same tree, no hashes": equal_trees,
    "the same tree, its root": equal_trees_and_root,
    "from the empty tree, no hashes": lambda c, _: c._replace(
        old_size=0, old_root=EMPTY_ROOT, proof=[]
    ),
    "from the empty tree, the new root": lambda c, _: c._replace(
        old_size=0, old_root=EMPTY_ROOT, proof=[c.new_root]
    ),
    "the old root before the first hash": lambda c, _: c._replace(proof=[c.old_root, *c.proof]),
    "the old root alone": lambda c, _: c._replace(proof=[c.old_root]),
    "the new root alone": lambda c, _: c._replace(proof=[c.new_root]),
    "the new root after the last hash": lambda c, _: c._replace(proof=[*c.proof, c.new_root]),
    "the proof from one leaf less": proof_between(-1, 0),
    "the proof from one more leaf": proof_between(1, 0),
    "the proof to one more leaf": proof_between(0, 1),
    "the last old leaf's path": lambda c, t: c._replace(
        proof=t.inclusion(c.old_size - 1, c.new_size).proof
    ),
    "a bit of the old root flipped": lambda c, _: c._replace(old_root=flip(c.old_root, 7)),
    "a bit of the new root flipped": lambda c, _: c._replace(new_root=flip(c.new_root, 248)),
    "a zero old root": lambda c, _: c._replace(old_root=ZERO),
    "a zero new root": lambda c, _: c._replace(new_root=ZERO),
    "the empty tree's root as the old one": lambda c, _: c._replace(old_root=EMPTY_ROOT),
    "the new root as the old one": lambda c, _: c._replace(old_root=c.new_root),
    "the old root as the new one": lambda c, _: c._replace(new_root=c.old_root),
    "the old root of one more leaf": lambda c, t: c._replace(old_root=t.root(0, c.old_size + 1)),
    "the new root of one more leaf": lambda c, t: c._replace(new_root=t.root(0, c.new_size + 1)),
    "an old leaf altered, the proof kept": rewritten("root"),
    "an old leaf altered, with the new tree's proof": rewritten("root and proof"),
    "the old root a byte short": lambda c, _: c._replace(old_root=c.old_root[:-1]),
    "the new root a zero byte longer": lambda c, _: c._replace(new_root=c.new_root + b"\0"),
    "a byte moved between the first two hashes": seed_byte_moved,
}
EDITS: dict[str, ConsistencyEdit] = {
    **{name: with_sizes(change) for name, change in SIZE_EDITS.items()},
    **{name: with_proof(*edit) for name, edit in LIST_EDITS.items()},
    **HASH_EDITS,
}

# (old size, new size), by how many of the edits are made.
FULLY_BENT = [(1, 2), (3, 7), (4, 7), (6, 8)]
SIZES_BENT = [
    (1, 3), (2, 3), (3, 4), (8, 9), (5, 9), (16, 31), (32, 33), (256, 257),
    (2**31, 2**31 + 1), (2**32, 2**32 + 1), (2**32 + 5, 2**32 + 7), (2**47, 2**47 + 1),
]  # fmt: skip
SELDOM_BENT = [(65, 100), (1_000_003, 2**20 + 3), (2**47 + 2**33 + 9, MAX_SIZE)]
SELDOM_EDITS = [
    "old size 2^32 higher", "new size 2^48 higher", "the first hash missing",
    "the last hash missing", "the last two hashes swapped", "the last bit of the last hash flipped",
    "a bit of the old root flipped", "a byte moved between the first two hashes",
]  # fmt: skip
HONEST = [
    *((old, new) for new in range(2, 10) for old in range(1, new)),
    (1, 31), (30, 31), (31, 32), (1, 33), (31, 33), (64, 100), (99, 100), (1, 255), (128, 255),
    (128, 256), (129, 256), (255, 256), (1, 257), (200, 257), (255, 257),
    (2**20, 2**20 + 3), (2**20 + 2, 2**20 + 3),
    (1, MAX_SIZE), (2**47, MAX_SIZE), (2**47 + 1, MAX_SIZE), (MAX_SIZE - 1, MAX_SIZE),
]  # fmt: skip
GROWTHS = sorted({*HONEST, *FULLY_BENT, *SIZES_BENT, *SELDOM_BENT}, key=lambda sizes: sizes[::-1])


def build_consistency() -> dict[str, object]:
    """Return consistency.json."""
    cases = [
        consistency_case(f"{old} to {new} leaves", growth_tree(old, new).consistency(old, new))
        for old, new in GROWTHS
    ]
    assert all(case["result"] == "valid" for case in cases)
    seen: list[Consistency] = []
    for claims, edits in (
        (FULLY_BENT, EDITS),
        (SIZES_BENT, SIZE_EDITS),
        (SELDOM_BENT, SELDOM_EDITS),
    ):
        for old, new in claims:
            cases += bent_consistencies(old, new, edits, seen)
    cases += odd_sizes()
    return {
        "about": "Does the new tree begin with the leaves of the old one (RFC 9162, 2.1.4.2)?",
        "rules": {
            "hash-length": "a hash is 32 bytes long",
            "sizes": "the old size is above 0 and below the new one (equal trees need no proof)",
            "proof-empty": "the proof has at least one hash",
            "proof-length": "the proof has as many hashes as the two sizes ask for",
            "roots": "the proof leads to the old root and to the new one",
        },
        "consistency": cases,
    }


def odd_sizes() -> Iterator[Case]:
    """Claims of an empty tree and of equal ones whose proofs lead to both roots."""
    tree = growth_tree(1, 4)
    first, second, pair = tree.root(0, 1), tree.root(1, 2), tree.root(2, 4)
    claim = Consistency(0, first, 4, tree.root(0, 4), [first, second, pair])
    yield consistency_case("0 to 4 leaves: the first leaf as the old root", claim)
    three = tree.root(0, 3)
    claim = Consistency(3, three, 3, three, [tree.root(2, 3), tree.root(0, 2)])
    yield consistency_case("3 to 3 leaves: the root from its two nodes", claim)


def growth_tree(old: int, new: int) -> SparseTree:
    return tree_of(new, old - 2, old - 1, old, old + 1)


def bent_consistencies(
    old: int, new: int, names: Iterable[str], seen: list[Consistency]
) -> Iterator[Case]:
    tree = growth_tree(old, new)
    honest = tree.consistency(old, new)
    for name, claim in bend_claim(honest, tree, EDITS, names, seen):
        case = consistency_case(f"{old} to {new} leaves: {name}", claim)
        holds = case["result"] == "valid"
        assert not holds or name in SIZE_EDITS, case["name"]
        # As with inclusion: beyond our logs, only what is invalid.
        if not holds or claim.new_size <= MAX_SIZE:
            yield case


def consistency_case(name: str, claim: Consistency) -> Case:
    fields = {
        "old_size": claim.old_size,
        "old_root": claim.old_root.hex(),
        "new_size": claim.new_size,
        "new_root": claim.new_root.hex(),
        "proof": [node.hex() for node in claim.proof],
    }
    rule = judge_consistency(claim)
    return invalid(name, rule, **fields) if rule else valid(name, **fields)


def judge_consistency(claim: Consistency) -> str | None:
    """Return the rule of RFC 9162 section 2.1.4.2 that the claim breaks."""
    if any(len(one) != 32 for one in (claim.old_root, claim.new_root, *claim.proof)):
        return "hash-length"
    if not 0 < claim.old_size < claim.new_size:
        return "sizes"
    if not claim.proof:
        return "proof-empty"
    parts = consistency_shape(claim.old_size, claim.new_size)
    nodes = [claim.old_root, *claim.proof] if parts[0] == "old root" else claim.proof
    if len(parts) != len(nodes):
        return "proof-length"
    old = new = nodes[0]
    for node, part in zip(nodes[1:], parts[1:], strict=True):
        if part == "left of both":
            old, new = hash_node(node, old), hash_node(node, new)
        else:
            new = hash_node(new, node)
    return None if (old, new) == (claim.old_root, claim.new_root) else "roots"
