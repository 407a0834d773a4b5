"""Inclusion claims bent in every way we know."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from support.large_tree import Inclusion, Node, split
from support.proof_edits import (
    EDITS,
    EMPTY_ROOT,
    HUGE,
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
    put,
    same_shape,
)
from support.rfc9162_reference import hash_leaf


def honest_inclusion(rng: Random, forest: Forest, smallest: int = 1) -> Bent:
    size = draw_size(rng, smallest)
    tree = forest.fork if size <= LARGEST_FORK and rng.random() < 0.2 else forest.main
    return tree.inclusion(draw_index(rng, size), size), (Node(tree, 0, size),)


# Each field's new value, from the claim; a kind that needs a second leaf is drawn from size 2 on.
ClaimEdit = Callable[[Random, Inclusion], dict[str, object]]
INDEX_EDITS: dict[str, ClaimEdit] = {
    "another index": lambda rng, c: {
        "index": (c.index + rng.randrange(1, c.size)) % c.size,
    },
    "the neighbour's index": lambda rng, c: {"index": c.index ^ 1},
    "a bit of the index flipped": lambda rng, c: {"index": c.index ^ 1 << rng.randrange(22)},
    "an index just past the end": lambda rng, c: {"index": c.size + rng.randrange(4)},
    "an index in the missing part of the right edge": lambda rng, c: {
        "index": rng.randint(c.size, max(c.size, 2 * split(c.size) - 1))
    },
    "the index plus a multiple of the tree's width": lambda rng, c: {
        "index": c.index + (rng.randrange(1, 2**20) << c.size.bit_length())
    },
    "a huge index": lambda rng, c: {"index": rng.choice(HUGE)},
    "index and size exchanged": lambda rng, c: {"index": c.size, "size": c.index},
    "size zero": lambda rng, c: {"size": 0},
    "a huge size": lambda rng, c: {"size": rng.choice(HUGE)},
    "another leaf": lambda rng, c: {"leaf_hash": draw_hash(rng)},
    "a bit of the leaf flipped": lambda rng, c: {"leaf_hash": flip(rng, c.leaf_hash)},
    "a zero leaf": lambda rng, c: {"leaf_hash": ZERO},
    "the root as the leaf": lambda rng, c: {"leaf_hash": c.root},
    "the sibling as the leaf": lambda rng, c: {"leaf_hash": c.proof[0]},
    "leaf and sibling exchanged": lambda rng, c: {
        "leaf_hash": c.proof[0],
        "proof": put(c.proof, 0, c.leaf_hash),
    },
    "a record of the two children": lambda rng, c: {
        "leaf_hash": hash_leaf(rng.choice((b"", b"\1")) + c.leaf_hash + c.proof[0]),
        "proof": c.proof[1:],
    },
    "a wrong leaf in a claim as long as can be": lambda rng, c: {
        "index": rng.randrange(UINT256),
        "size": UINT256,
        "proof": [draw_hash(rng) for _ in range(256)],
    },
}
SIZE_EDITS: dict[str, ClaimEdit] = {
    "another size": lambda rng, c: {"size": draw_other(rng, c.size, draw_size(rng))},
    "a size one off": lambda rng, c: {"size": c.size + rng.choice((-1, 1))},
    "the smallest size the index fits in": lambda rng, c: {"size": c.index + 1},
    "index and size one off": lambda rng, c: {"index": c.index + 1, "size": c.size + 1},
    "another index and size": lambda rng, c: {
        "size": (size := draw_size(rng)),
        "index": draw_index(rng, size),
    },
    "a huge index and size": lambda rng, c: {
        "size": (size := rng.choice(HUGE)),
        "index": size - rng.randint(1, 3),
    },
}
ALIASES: dict[str, ClaimEdit] = {
    name: lambda rng, c, spare=spare: dict(
        zip(("index", "size"), same_shape(rng, c.index, c.size, spare), strict=True)
    )
    for name, spare in (
        ("another claim of the same shape", 4),
        ("a huge one of the same shape", 236),
    )
}
ROOT_EDITS: dict[str, ClaimEdit] = {
    "a bit of the root flipped": lambda rng, c: {"root": flip(rng, c.root)},
    "a made-up root": lambda rng, c: {"root": draw_hash(rng)},
    "a zero root": lambda rng, c: {"root": ZERO},
    "a root of all ones": lambda rng, c: {"root": ONES},
    "the empty tree's root": lambda rng, c: {"root": EMPTY_ROOT},
    "the leaf as the root": lambda rng, c: {"root": c.leaf_hash},
    "the last sibling as the root": lambda rng, c: {"root": c.proof[-1]},
    "leaf and root exchanged": lambda rng, c: {"leaf_hash": c.root, "root": c.leaf_hash},
}


def changed_inclusion(edit: ClaimEdit, *, keeps_root: bool) -> Bend:
    def bend(rng: Random, forest: Forest) -> Bent:
        honest = honest_inclusion(rng, forest, 2)
        assert honest is not None
        claim = honest[0]._replace(**edit(rng, honest[0]))
        return claim, honest[1] if keeps_root else (None,)

    return bend


def inner_node(rng: Random, forest: Forest, cut: str) -> Bent:
    """An inner node as the leaf, its path cut to match or not, the claim shrunk to match or not."""
    size = draw_size(rng, 3)
    index = draw_index(rng, size)
    claim, nodes = forest.main.inclusion(index, size), forest.main.ancestors(index, size)
    if len(nodes) < 2:
        return None
    at = rng.randrange(1, len(nodes))
    node = nodes[at]
    proof = claim.proof if cut == "nothing" else claim.proof[at:]
    if cut == "path and claim":
        height = (node.end - node.start - 1).bit_length()
        index, size = index >> height, (size - 1 >> height) + 1
    bent = Inclusion(node.hash, index, size, claim.root, proof)
    return bent, (Node(forest.main, 0, claim.size),)


def followed_node_as_sibling(rng: Random, forest: Forest) -> Bent:
    size = draw_size(rng, 2)
    index = draw_index(rng, size)
    claim, nodes = forest.main.inclusion(index, size), forest.main.ancestors(index, size)
    at = rng.randrange(len(nodes))
    proof = put(claim.proof, at, nodes[at].hash)
    return claim._replace(proof=proof), (Node(forest.main, 0, size),)


def subtree_as_tree(rng: Random, forest: Forest) -> Bent:
    size = draw_size(rng, 3)
    index = draw_index(rng, size)
    claim, nodes = forest.main.inclusion(index, size), forest.main.ancestors(index, size)
    at = rng.randrange(len(nodes))
    top = nodes[at]
    index, size = index - top.start, top.end - top.start
    return Inclusion(claim.leaf_hash, index, size, top.hash, claim.proof[:at]), (top,)


def inclusion_from(rng: Random, forest: Forest, kind: str) -> Bent:
    """A claim of which a part comes from another honest one."""
    size = draw_size(rng, 2)
    index = draw_index(rng, size)
    claim, top = forest.main.inclusion(index, size), Node(forest.main, 0, size)
    if kind == "another index":
        other = forest.main.inclusion((index + rng.randrange(1, size)) % size, size)
        return claim._replace(proof=other.proof), (top,)
    if kind == "a consistency proof":
        old = rng.choice((min(index + 1, size - 1), draw_size(rng, 1, size - 1)))
        proof = forest.main.consistency(old, size).proof
        return claim._replace(proof=proof), (top,)
    other_size = draw_size(rng, index + 1)
    if other_size == size:
        return None
    if kind == "another size's root":
        other_top = Node(forest.main, 0, other_size)
        return claim._replace(root=other_top.hash), (other_top,)
    return claim._replace(proof=forest.main.inclusion(index, other_size).proof), (top,)


def inclusion_from_fork(rng: Random, forest: Forest, part: str) -> Bent:
    size = rng.randint(SHARED + 1, LARGEST_FORK)
    index = rng.randrange(size)
    if part != "leaf_hash":
        index %= SHARED  # the leaf itself is the same in both
    elif index < SHARED:
        return None
    claim, other = forest.main.inclusion(index, size), forest.fork.inclusion(index, size)
    if getattr(claim, part) == getattr(other, part):
        return None
    top = Node(forest.fork if part == "root" else forest.main, 0, size)
    return claim._replace(**{part: getattr(other, part)}), (top,)


INCLUSION_KINDS: dict[str, Bend] = {
    "honest": honest_inclusion,
    **{kind: edited(kind, honest_inclusion) for kind in EDITS},
    **{
        kind: changed_inclusion(edit, keeps_root=True)
        for kind, edit in {**INDEX_EDITS, **SIZE_EDITS, **ALIASES}.items()
    },
    **{kind: changed_inclusion(edit, keeps_root=False) for kind, edit in ROOT_EDITS.items()},
    "an inner node as the leaf": lambda rng, f: inner_node(rng, f, "nothing"),
    "an inner node as the leaf, its path cut": lambda rng, f: inner_node(rng, f, "path"),
    "an inner node as the leaf of a smaller claim": lambda rng, f: inner_node(
        rng, f, "path and claim"
    ),
    "the followed node as its sibling": followed_node_as_sibling,
    "a subtree as the tree": subtree_as_tree,
    "the path of another index": lambda rng, f: inclusion_from(rng, f, "another index"),
    "the path in another size": lambda rng, f: inclusion_from(rng, f, "another size"),
    "the root of another size": lambda rng, f: inclusion_from(rng, f, "another size's root"),
    "a consistency proof as the path": lambda rng, f: inclusion_from(rng, f, "a consistency proof"),
    "the path of the same leaf in a fork": lambda rng, f: inclusion_from_fork(rng, f, "proof"),
    "the root of a fork": lambda rng, f: inclusion_from_fork(rng, f, "root"),
    "the leaf of a fork": lambda rng, f: inclusion_from_fork(rng, f, "leaf_hash"),
}

# In every case, and where the shapes allow it.  All other kinds are refused.
TRUE_INCLUSIONS = {
    "honest",
    *ALIASES,
    "an inner node as the leaf of a smaller claim",
    "a subtree as the tree",
}
SHAPED_INCLUSIONS = {*SIZE_EDITS, "a consistency proof as the path"}
