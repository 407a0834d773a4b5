"""inclusion.json: leaves said to be in a tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from support.large_tree import Inclusion
from support.proof_edits import EMPTY_ROOT, ZERO, put
from support.rfc9162_reference import hash_leaf, hash_node, inclusion_shape
from support.vectors.bends import (
    FOREIGN_LEAF,
    FOREIGN_RECORD,
    LIST_EDITS,
    Edit,
    bend_claim,
    flip,
    with_proof,
)
from support.vectors.cases import Case, invalid, valid
from support.vectors.trees import MAX_SIZE, SparseTree, record_of, tree_of, width_of

InclusionEdit = Edit[Inclusion]

# Index and size, bent.  Some of these fold the path in the same way, and so are valid as well.
NUMBER_EDITS: dict[str, Callable[[Inclusion], tuple[int, int]]] = {
    "index one up": lambda c: (c.index + 1, c.size),
    "index one down": lambda c: (c.index - 1, c.size),
    "index with its lowest bit flipped": lambda c: (c.index ^ 1, c.size),
    "index 0": lambda c: (0, c.size),
    "the mirrored index": lambda c: (c.size - 1 - c.index, c.size),
    "index equal to the size": lambda c: (c.size, c.size),
    "a ghost index, the tree's width higher": lambda c: (c.index + width_of(c.size), c.size),
    "index 2^32 higher": lambda c: (c.index + 2**32, c.size),
    "index 2^48 higher": lambda c: (c.index + 2**48, c.size),
    "size one up": lambda c: (c.index, c.size + 1),
    "size one down": lambda c: (c.index, c.size - 1),
    "size just above the index": lambda c: (c.index, c.index + 1),
    "size equal to the index": lambda c: (c.index, c.index),
    "size doubled": lambda c: (c.index, 2 * c.size),
    "size a power of two": lambda c: (c.index, width_of(c.size)),
    "size 0": lambda c: (c.index, 0),
    "size 2^32 higher": lambda c: (c.index, c.size + 2**32),
    "size 2^48 higher": lambda c: (c.index, c.size + 2**48),
    "index and size one up": lambda c: (c.index + 1, c.size + 1),
    "index and size exchanged": lambda c: (c.size, c.index),
    "index and size without their bits above 2^32": lambda c: (c.index % 2**32, c.size % 2**32),
}


def with_numbers(change: Callable[[Inclusion], tuple[int, int]]) -> InclusionEdit:
    def edit(claim: Inclusion, _: SparseTree) -> Inclusion:
        index, size = change(claim)
        return claim._replace(index=index, size=size)

    return edit


def neighbours_path(claim: Inclusion, tree: SparseTree) -> Inclusion | None:
    other = claim.index ^ 1
    if other >= claim.size:
        return None
    return claim._replace(proof=tree.inclusion(other, claim.size).proof)


def path_in_other_size(claim: Inclusion, tree: SparseTree) -> Inclusion:
    return claim._replace(proof=tree.inclusion(claim.index, claim.size + 1).proof)


def first_side(claim: Inclusion) -> str | None:
    return inclusion_shape(claim.index, claim.size)[0] if claim.proof else None


def inner_node(claim: Inclusion, tree: SparseTree) -> Inclusion | None:
    nodes = tree.ancestors(claim.index, claim.size)
    return claim._replace(leaf_hash=nodes[1].hash) if len(nodes) > 1 else None


def inner_node_cut(claim: Inclusion, tree: SparseTree) -> Inclusion | None:
    bent = inner_node(claim, tree)
    return bent and bent._replace(proof=claim.proof[1:])


def inner_node_as(leaf_of: Callable[[bytes], bytes]) -> InclusionEdit:
    """The parent of two leaves passed off as a leaf, in a tree of the nodes above them."""

    def edit(claim: Inclusion, _: SparseTree) -> Inclusion | None:
        if not claim.proof or claim.index ^ 1 >= claim.size:
            return None
        pair = [claim.leaf_hash, claim.proof[0]]
        children = b"".join(pair if first_side(claim) == "right" else pair[::-1])
        return claim._replace(
            leaf_hash=leaf_of(children),
            index=claim.index // 2,
            size=(claim.size + 1) // 2,
            proof=claim.proof[1:],
        )

    return edit


def byte_moved(claim: Inclusion, _: SparseTree) -> Inclusion | None:
    """The first node's input cut in another place: without a look at the lengths it holds."""
    if not claim.proof:
        return None
    leaf, sibling = claim.leaf_hash, claim.proof[0]
    if first_side(claim) == "left":
        leaf, sibling = sibling[-1:] + leaf, sibling[:-1]
    else:
        leaf, sibling = leaf + sibling[:1], sibling[1:]
    return claim._replace(leaf_hash=leaf, proof=put(claim.proof, 0, sibling))


def last_leaf_doubled(claim: Inclusion, _: SparseTree) -> Inclusion | None:
    """CVE-2012-2459: where a lone leaf is paired with itself, it is at the next index as well."""
    if claim.size % 2 == 0 or claim.index != claim.size - 1:
        return None
    return claim._replace(
        index=claim.size, size=claim.size + 1, proof=[claim.leaf_hash, *claim.proof]
    )


def paired_with_itself(claim: Inclusion, tree: SparseTree) -> Inclusion | None:
    """Bitcoin's tree, in which a lone node has itself as its sibling, and its root."""
    if claim.size < 3 or claim.size % 2 == 0 or claim.index != claim.size - 1:
        return None
    leaf, at, path = claim.leaf_hash, claim.index, []
    level = [tree.root(leaf, leaf + 1) for leaf in range(claim.size)]
    while len(level) > 1:
        level += level[-1:] * (len(level) % 2)
        path.append(level[at ^ 1])
        level = [hash_node(*level[pair : pair + 2]) for pair in range(0, len(level), 2)]
        at //= 2
    return Inclusion(leaf, claim.index, claim.size, level[0], path)


def folded(combine: Callable[[bytes, bytes], bytes]) -> InclusionEdit:
    """The root that the same path has where nodes are hashed otherwise."""

    def edit(claim: Inclusion, _: SparseTree) -> Inclusion:
        node = claim.leaf_hash
        for sibling, side in zip(
            claim.proof, inclusion_shape(claim.index, claim.size), strict=True
        ):
            node = combine(sibling, node) if side == "left" else combine(node, sibling)
        return claim._replace(root=node)

    return edit


HASH_EDITS: dict[str, InclusionEdit] = {
    "another leaf": lambda c, _: c._replace(leaf_hash=FOREIGN_LEAF),
    "a bit of the leaf flipped": lambda c, _: c._replace(leaf_hash=flip(c.leaf_hash, 100)),
    "a zero leaf": lambda c, _: c._replace(leaf_hash=ZERO),
    "the root as the leaf": lambda c, _: c._replace(leaf_hash=c.root),
    "leaf and first hash exchanged": lambda c, _: (
        c._replace(leaf_hash=c.proof[0], proof=put(c.proof, 0, c.leaf_hash)) if c.proof else None
    ),
    "a bit of the root flipped": lambda c, _: c._replace(root=flip(c.root, 255)),
    "a zero root": lambda c, _: c._replace(root=ZERO),
    "the empty tree's root": lambda c, _: c._replace(root=EMPTY_ROOT),
    "the leaf as the root": lambda c, _: c._replace(root=c.leaf_hash),
    "the last hash as the root": lambda c, _: c._replace(root=c.proof[-1]) if c.proof else None,
    "the root of one more leaf": lambda c, t: c._replace(root=t.root(0, c.size + 1)),
    "the root of one leaf less": lambda c, t: (
        c._replace(root=t.root(0, c.size - 1)) if c.size > 1 else None
    ),
    "the path of the leaf beside it": neighbours_path,
    "the path in a tree of one more leaf": path_in_other_size,
    "an inner node as the leaf": inner_node,
    "an inner node as the leaf, without its first hash": inner_node_cut,
    "an inner node as the leaf of a smaller tree": inner_node_as(lambda pair: hash_node(pair, b"")),
    "a record of two leaves in a smaller tree": inner_node_as(hash_leaf),
    "a record of 0x01 and two leaves in a smaller tree": inner_node_as(
        lambda pair: hash_leaf(b"\1" + pair)
    ),
    "the last leaf doubled": last_leaf_doubled,
    "lone nodes paired with themselves": paired_with_itself,
    "nodes hashed without their prefix": folded(lambda a, b: hashlib.sha256(a + b).digest()),
    "nodes hashed with the leaves' prefix": folded(lambda a, b: hash_leaf(a + b)),
    "nodes hashed in sorted order": folded(lambda a, b: hash_node(min(a, b), max(a, b))),
    "the leaf a byte short": lambda c, _: c._replace(leaf_hash=c.leaf_hash[:-1]),
    "the leaf empty": lambda c, _: c._replace(leaf_hash=b""),
    "the root a byte short": lambda c, _: c._replace(root=c.root[:-1]),
    "the root a zero byte longer": lambda c, _: c._replace(root=c.root + b"\0"),
    "a byte moved between leaf and first hash": byte_moved,
}
# A bare node folds as a leaf does: that is why a verifier hashes the record itself.
ALIASES = {*NUMBER_EDITS, "an inner node as the leaf of a smaller tree"}
EDITS: dict[str, InclusionEdit] = {
    **{name: with_numbers(change) for name, change in NUMBER_EDITS.items()},
    **{name: with_proof(*edit) for name, edit in LIST_EDITS.items()},
    **HASH_EDITS,
}

# (index, size), by how many of the edits are made.  A hash takes 64 digits, so that the longest
# paths are bent in a few ways only.
FULLY_BENT = [(0, 1), (1, 2), (2, 3), (5, 7), (3, 8)]
NUMBERS_BENT = [
    (0, 4), (4, 5), (5, 6), (8, 9), (31, 32), (32, 33), (255, 256), (256, 257),
    (2**31, 2**31 + 1), (2**32, 2**32 + 1), (2**32 + 5, 2**32 + 7), (2**47, 2**47 + 1),
]  # fmt: skip
SELDOM_BENT = [(66, 100), (2**19 + 77, 2**20 + 3), (2**47 + 2**33 + 9, MAX_SIZE)]
SELDOM_EDITS = [
    "index with its lowest bit flipped", "index 2^32 higher", "size 2^48 higher",
    "the last hash missing", "the last two hashes swapped", "the last bit of the last hash flipped",
    "the path of the leaf beside it",
]  # fmt: skip
HONEST = [
    *((index, size) for size in range(1, 10) for index in range(size)),
    *((index, size) for size in (31, 32, 33, 100, 255, 256, 257) for index in (0, size // 2)),
    (98, 100), (99, 100), (254, 255),
    (0, 2**20 + 3), (2**20 - 1, 2**20 + 3), (2**20 + 2, 2**20 + 3),
    (0, MAX_SIZE), (2**47 - 1, MAX_SIZE), (2**48 - 3, MAX_SIZE), (MAX_SIZE - 1, MAX_SIZE),
]  # fmt: skip
CLAIMS = sorted({*HONEST, *FULLY_BENT, *NUMBERS_BENT, *SELDOM_BENT}, key=lambda claim: claim[::-1])


def build_inclusion() -> dict[str, object]:
    """Return inclusion.json."""
    cases = [
        inclusion_case(
            f"leaf {index} of {size}", inclusion_tree(index, size).inclusion(index, size)
        )
        for index, size in CLAIMS
    ]
    assert all(case["result"] == "valid" for case in cases)
    seen: list[Inclusion] = []
    for claims, edits in (
        (FULLY_BENT, EDITS),
        (NUMBERS_BENT, NUMBER_EDITS),
        (SELDOM_BENT, SELDOM_EDITS),
    ):
        for index, size in claims:
            cases += bent_inclusions(index, size, edits, seen)
    return {
        "about": "Is the leaf at this index in the tree of this size and root (RFC 9162, 2.1.3.2)?",
        "rules": {
            "hash-length": "a hash is 32 bytes long",
            "index": "the index is 0 or more and below the size",
            "path-length": "the path has as many hashes as index and size ask for",
            "root": "the path leads from the leaf to the root",
        },
        "inclusion": cases,
    }


def inclusion_tree(index: int, size: int) -> SparseTree:
    return tree_of(size, index, index ^ 1)


def bent_inclusions(
    index: int, size: int, names: Iterable[str], seen: list[Inclusion]
) -> Iterator[Case]:
    tree = inclusion_tree(index, size)
    honest = tree.inclusion(index, size)
    for name, claim in bend_claim(honest, tree, EDITS, names, seen):
        case = inclusion_case(f"leaf {index} of {size}: {name}", claim)
        holds = case["result"] == "valid"
        assert not holds or name in ALIASES, case["name"]
        # What RFC 9162 accepts and our logs never reach, a verifier may accept or refuse.
        if not holds or claim.size <= MAX_SIZE:
            yield case


def inclusion_case(name: str, claim: Inclusion) -> Case:
    record = KNOWN_RECORDS.get(claim.leaf_hash)
    fields = {
        **({} if record is None else {"record": record.hex()}),
        "leaf": claim.leaf_hash.hex(),
        "index": claim.index,
        "size": claim.size,
        "path": [node.hex() for node in claim.proof],
        "root": claim.root.hex(),
    }
    rule = judge_inclusion(claim)
    return invalid(name, rule, **fields) if rule else valid(name, **fields)


def judge_inclusion(claim: Inclusion) -> str | None:
    """Return the rule of RFC 9162 section 2.1.3.2 that the claim breaks."""
    node = claim.leaf_hash
    if any(len(one) != 32 for one in (node, claim.root, *claim.proof)):
        return "hash-length"
    if not 0 <= claim.index < claim.size:
        return "index"
    sides = inclusion_shape(claim.index, claim.size)
    if len(sides) != len(claim.proof):
        return "path-length"
    for sibling, side in zip(claim.proof, sides, strict=True):
        node = hash_node(sibling, node) if side == "left" else hash_node(node, sibling)
    return None if node == claim.root else "root"


def known_records() -> dict[bytes, bytes]:
    """Return the record of every leaf that has one."""
    records = [record_of(index) for index, _ in CLAIMS]
    records += [FOREIGN_RECORD]
    for index, size in FULLY_BENT:
        if size > 1:
            claim = inclusion_tree(index, size).inclusion(index, size)
            pair = (claim.leaf_hash, claim.proof[0])
            for children in (b"".join(pair), b"".join(pair[::-1])):
                records += [children, b"\1" + children]
    return {hash_leaf(record): record for record in records}


KNOWN_RECORDS = known_records()
