"""Consistency claims bent in every way we know."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from support.large_tree import Consistency, Node
from support.proof_edits import (
    EDITS,
    HUGE,
    LARGEST,
    LARGEST_FORK,
    ONES,
    SHARED,
    UINT256,
    ZERO,
    Bend,
    Bent,
    Forest,
    draw_hash,
    draw_index,
    draw_other,
    draw_size,
    edited,
    flip,
    same_shapes,
)


def draw_pair(rng: Random, smallest: int = 1) -> tuple[int, int]:
    new = draw_size(rng, smallest + 1)
    close = new - rng.randint(1, 3)
    old = rng.choice((draw_size(rng, smallest, new - 1), rng.randint(smallest, new - 1), close))
    return max(old, smallest), new


def honest_consistency(rng: Random, forest: Forest, smallest: int = 1) -> Bent:
    old, new = draw_pair(rng, smallest)
    # A log that shares the old tree with the main one may have gone its own way since.
    tree = forest.fork if old <= SHARED and new <= LARGEST_FORK else forest.main
    claim = tree.consistency(old, new)
    assert tree is forest.main or claim.old_root == forest.main.root(0, old)
    return claim, (Node(forest.main, 0, old), Node(tree, 0, new))


PairEdit = Callable[[Random, Consistency], dict[str, object]]
PAIR_EDITS: dict[str, PairEdit] = {
    "old size zero": lambda rng, c: {"old_size": 0},
    "new size zero": lambda rng, c: {"new_size": 0},
    "both sizes zero": lambda rng, c: {"old_size": 0, "new_size": 0},
    "another old size": lambda rng, c: {"old_size": draw_other(rng, c.old_size, draw_size(rng))},
    "the old size one off": lambda rng, c: {"old_size": c.old_size + rng.choice((-1, 1))},
    "sizes exchanged": lambda rng, c: {"old_size": c.new_size, "new_size": c.old_size},
    "both sizes the new one": lambda rng, c: {"old_size": c.new_size},
    "both sizes the old one": lambda rng, c: {"new_size": c.old_size},
    "a huge old size": lambda rng, c: {"old_size": rng.choice(HUGE)},
    "a huge new size": lambda rng, c: {"new_size": rng.choice(HUGE)},
    "a wrong pair as long as can be": lambda rng, c: {
        "old_size": rng.randrange(UINT256) | 1,
        "new_size": UINT256,
        "proof": [draw_hash(rng) for _ in range(rng.randint(255, 257))],
    },
}
PAIR_SIZE_EDITS: dict[str, PairEdit] = {
    "another new size": lambda rng, c: {"new_size": draw_other(rng, c.new_size, draw_size(rng))},
    "the new size one off": lambda rng, c: {"new_size": c.new_size + rng.choice((-1, 1))},
    "both sizes one off": lambda rng, c: {
        "old_size": c.old_size + (by := rng.choice((-1, 1))),
        "new_size": c.new_size + by,
    },
    "another pair of sizes": lambda rng, c: dict(
        zip(("old_size", "new_size"), draw_pair(rng), strict=True)
    ),
    "two huge sizes": lambda rng, c: dict(
        zip(("old_size", "new_size"), sorted(rng.sample(HUGE, 2)), strict=True)
    ),
}
PAIR_ALIASES: dict[str, PairEdit] = {
    name: lambda rng, c, spare=spare: dict(
        zip(("old_size", "new_size"), same_shapes(rng, *c[0:3:2], spare), strict=True)
    )
    for name, spare in (("sizes of the same shape", 4), ("huge sizes of the same shape", 118))
}
# Which root they replace, and by what.
PAIR_ROOT_EDITS: dict[str, PairEdit] = {
    f"{name} {which} root": lambda rng, c, field=f"{which}_root", make=make: {
        field: make(rng, getattr(c, field))
    }
    for which in ("old", "new")
    for name, make in {
        "a bit flipped in the": flip,
        "a made-up": lambda rng, root: draw_hash(rng),
        "a zero": lambda rng, root: ZERO,
        "all ones for the": lambda rng, root: ONES,
    }.items()
}


def changed_consistency(edit: PairEdit) -> Bend:
    def bend(rng: Random, forest: Forest) -> Bent:
        honest = honest_consistency(rng, forest)
        assert honest is not None
        claim, (old, new) = honest[0], honest[1]
        bent = claim._replace(**edit(rng, claim))
        assert isinstance(claim, Consistency) and isinstance(bent, Consistency)
        keeps = bent.old_root == claim.old_root, bent.new_root == claim.new_root
        return bent, (old if keeps[0] else None, new if keeps[1] else None)

    return bend


# What takes the place of a part of the claim: the tree, the claim, its old and its new root's node.
Change = Callable[[Random, Consistency, Node, Node], Bent]


def other_root(rng: Random, claim: Consistency, old: Node, new: Node, *, which: str) -> Bent:
    replaced = old if which == "old" else new
    other = replaced._replace(end=draw_other(rng, replaced.end, draw_size(rng, 1, LARGEST - 1)))
    if which == "old":
        return claim._replace(old_root=other.hash), (other, new)
    return claim._replace(new_root=other.hash), (old, other)


def other_pairs_proof(rng: Random, claim: Consistency, old: Node, new: Node) -> Bent:
    pair = draw_pair(rng)
    if pair == (claim.old_size, claim.new_size):
        return None
    return claim._replace(proof=old.tree.consistency(*pair).proof), (old, new)


def inclusion_path(rng: Random, claim: Consistency, old: Node, new: Node) -> Bent:
    index = rng.choice((old.end - 1, old.end, draw_index(rng, new.end)))
    return claim._replace(proof=new.tree.inclusion(index, new.end).proof), (old, new)


def last_path_of_equal_sizes(rng: Random, claim: Consistency, old: Node, new: Node) -> Bent:
    path = new.tree.inclusion(new.end - 1, new.end)
    proof = [path.leaf_hash, *path.proof]
    return Consistency(new.end, path.root, new.end, path.root, proof), (new, new)


def last_subtree_as_old_root(rng: Random, claim: Consistency, old: Node, new: Node) -> Bent:
    last = old._replace(start=old.end - (old.end & -old.end))
    return (claim._replace(old_root=last.hash), (last, new)) if last != old else None


FROM_ELSEWHERE: dict[str, Change] = {
    "roots exchanged": lambda rng, c, old, new: (
        c._replace(old_root=c.new_root, new_root=c.old_root),
        (new, old),
    ),
    "the new root for both": lambda rng, c, old, new: (c._replace(old_root=c.new_root), (new, new)),
    "the old root for both": lambda rng, c, old, new: (c._replace(new_root=c.old_root), (old, old)),
    "the old root of another size": partial(other_root, which="old"),
    "the new root of another size": partial(other_root, which="new"),
    "the proof of another pair": other_pairs_proof,
    "an inclusion path as the proof": inclusion_path,
    "equal sizes, with the path of their last leaf": last_path_of_equal_sizes,
    "the old root repeated before the proof": lambda rng, c, old, new: (
        c._replace(proof=[c.old_root, *c.proof]),
        (old, new),
    ),
    "the old tree's last subtree for the old root": last_subtree_as_old_root,
}


def consistency_from(change: Change) -> Bend:
    def bend(rng: Random, forest: Forest) -> Bent:
        pair = draw_pair(rng)
        old, new = (Node(forest.main, 0, size) for size in pair)
        return change(rng, forest.main.consistency(*pair), old, new)

    return bend


def consistency_from_fork(rng: Random, forest: Forest, kind: str) -> Bent:
    new = rng.randint(SHARED + 2, LARGEST_FORK)
    old = rng.randint(SHARED + 1, new - 1)
    main, fork = forest.main.consistency(old, new), forest.fork.consistency(old, new)
    old_tree = forest.fork if kind == "the old root of a fork" else forest.main
    new_tree = forest.fork if kind in ("the new root of a fork", "a forked log") else forest.main
    proof = fork.proof if kind in ("the proof of a fork", "a forked log") else main.proof
    if kind == "the proof of a fork" and fork.proof == main.proof:
        return None
    claim = Consistency(old, old_tree.root(0, old), new, new_tree.root(0, new), proof)
    return claim, (Node(old_tree, 0, old), Node(new_tree, 0, new))


FROM_FORK = (
    "the old root of a fork",
    "the new root of a fork",
    "the proof of a fork",
    "a forked log",
)

CONSISTENCY_KINDS: dict[str, Bend] = {
    "honest": honest_consistency,
    **{kind: edited(kind, honest_consistency) for kind in EDITS},
    **{
        kind: changed_consistency(edit)
        for kind, edit in {
            **PAIR_EDITS,
            **PAIR_SIZE_EDITS,
            **PAIR_ALIASES,
            **PAIR_ROOT_EDITS,
        }.items()
    },
    **{kind: consistency_from(change) for kind, change in FROM_ELSEWHERE.items()},
    **{kind: partial(consistency_from_fork, kind=kind) for kind in FROM_FORK},
}

# In every case, and where the shapes allow it.  All other kinds are refused.
TRUE_CONSISTENCIES = {"honest", *PAIR_ALIASES}
SHAPED_CONSISTENCIES = {*PAIR_SIZE_EDITS, "an inclusion path as the proof"}
