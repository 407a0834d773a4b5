"""Write the test vectors in tests/vectors/log; with --check, compare instead.

Nothing of the anchor package is used: trees, proofs and the labels of bent proofs follow the
recursive definitions in tests/support, and notes are signed by the package cryptography.  The keys
are made of public seeds, so nobody may ever trust them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from support.large_tree import Consistency, Inclusion, LargeTree, split
from support.rfc9162_reference import consistency_shape, hash_leaf, hash_node, inclusion_shape

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "log"

Case = dict[str, Any]

# The bent claims so far: what two edits come to is one case.
Seen = list[tuple[object, ...]]

MAX_SIZE = 2**48 - 1
"""The most leaves a log can have (docs/receipt-format.md)."""

REAL = 258
"""Up to this size, the trees consist of real leaves throughout."""

ZERO = bytes(32)
EMPTY_ROOT = hashlib.sha256(b"").digest()
OTHER = hash_leaf(b"not in the tree")
ORDER = 2**252 + 27742317777372353535851937790883648493
"""The order of Ed25519's group (RFC 8032 section 5.1)."""

# Points under which anybody can sign, encoded.
NEUTRAL = b"\1" + bytes(31)
ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


def valid(name: str, **fields: object) -> Case:
    return {"name": name, "result": "valid", **fields}


def invalid(name: str, rule: str, **fields: object) -> Case:
    return {"name": name, "result": "invalid", "rule": rule, **fields}


# Trees and claims about them.


def record_of(index: int) -> bytes:
    return index.to_bytes(8, "big")


class SparseTree(LargeTree):
    """A tree of any size in which only the nodes above ``known`` leaves are made by hashing.

    The rest is made up, complete subtree by complete subtree: nobody can tell from a proof.
    """

    def __init__(self, known: Collection[int], altered: Collection[int] = ()) -> None:
        # No levels: `root` is all that the proofs are made of.
        self._known = known
        self._altered = altered
        self._roots: dict[tuple[int, int], bytes] = {}

    def root(self, start: int, end: int) -> bytes:
        if (start, end) not in self._roots:
            self._roots[start, end] = self._make(start, end)
        return self._roots[start, end]

    def _make(self, start: int, end: int) -> bytes:
        width = end - start
        if width == 1:
            return hash_leaf(b"altered" if start in self._altered else record_of(start))
        if width & (width - 1) == 0 and not any(start <= leaf < end for leaf in self._known):
            return hashlib.sha256(b"made up" + record_of(start) + record_of(end)).digest()
        middle = start + split(width)
        return hash_node(self.root(start, middle), self.root(middle, end))


@cache
def tree_of(size: int, *known: int) -> SparseTree:
    return SparseTree(range(REAL) if size <= REAL else known)


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


def flip(data: bytes, bit: int) -> bytes:
    bent = bytearray(data)
    bent[bit // 8] ^= 1 << bit % 8
    return bytes(bent)


def width_of(size: int) -> int:
    """Return the size of the smallest complete tree of that height."""
    return 1 << (size - 1).bit_length()


def put(hashes: list[bytes], at: int, new: bytes) -> list[bytes]:
    bent = hashes.copy()
    bent[at] = new
    return bent


ListEdit = Callable[[list[bytes]], list[bytes]]

# A list of hashes, bent; and the smallest number of hashes that can be bent so.
LIST_EDITS: dict[str, tuple[int, ListEdit]] = {
    "no hashes": (1, lambda _: []),
    "the first hash missing": (2, lambda p: p[1:]),
    "the last hash missing": (2, lambda p: p[:-1]),
    "a made-up hash before the first": (0, lambda p: [OTHER, *p]),
    "a made-up hash after the last": (0, lambda p: [*p, OTHER]),
    "a zero hash after the last": (0, lambda p: [*p, ZERO]),
    "the first hash twice": (1, lambda p: [p[0], *p]),
    "the last hash twice": (2, lambda p: [*p, p[-1]]),
    "the first two hashes swapped": (2, lambda p: [p[1], p[0], *p[2:]]),
    "the last two hashes swapped": (3, lambda p: [*p[:-2], p[-1], p[-2]]),
    "the hashes reversed": (3, lambda p: p[::-1]),
    "the first bit of the first hash flipped": (1, lambda p: put(p, 0, flip(p[0], 7))),
    "the last bit of the last hash flipped": (1, lambda p: put(p, -1, flip(p[-1], 248))),
    "the first hash zero": (1, lambda p: put(p, 0, ZERO)),
    "the last hash that of the empty tree": (2, lambda p: put(p, -1, EMPTY_ROOT)),
    "the first hash a byte short": (1, lambda p: put(p, 0, p[0][:-1])),
    "the last hash a zero byte longer": (1, lambda p: put(p, -1, p[-1] + b"\0")),
    "an empty hash after the last": (0, lambda p: [*p, b""]),
    "the first two hashes as one": (2, lambda p: [p[0] + p[1], *p[2:]]),
}

InclusionEdit = Callable[[Inclusion, SparseTree], Inclusion | None]


# Index and size, bent.  Some of these fold the path in the same way, and so are valid as well.
INCLUSION_NUMBERS: dict[str, Callable[[Inclusion], tuple[int, int]]] = {
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


def with_path(least: int, bend: ListEdit) -> InclusionEdit:
    return lambda c, _: c._replace(proof=bend(c.proof)) if len(c.proof) >= least else None


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


INCLUSION_HASHES: dict[str, InclusionEdit] = {
    "another leaf": lambda c, _: c._replace(leaf_hash=OTHER),
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
INCLUSION_ALIASES = {*INCLUSION_NUMBERS, "an inner node as the leaf of a smaller tree"}
INCLUSION_EDITS = {
    **{name: with_numbers(change) for name, change in INCLUSION_NUMBERS.items()},
    **{name: with_path(*edit) for name, edit in LIST_EDITS.items()},
    **INCLUSION_HASHES,
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
    seen: Seen = []
    for claims, edits in (
        (FULLY_BENT, INCLUSION_EDITS),
        (NUMBERS_BENT, INCLUSION_NUMBERS),
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


def bent_inclusions(index: int, size: int, names: Iterable[str], seen: Seen) -> Iterator[Case]:
    tree = inclusion_tree(index, size)
    honest = tree.inclusion(index, size)
    for name in names:
        claim = INCLUSION_EDITS[name](honest, tree)
        if claim is None or claim == honest or claim in seen:
            continue
        seen.append(claim)
        case = inclusion_case(f"leaf {index} of {size}: {name}", claim)
        holds = case["result"] == "valid"
        assert not holds or name in INCLUSION_ALIASES, case["name"]
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


def known_records() -> dict[bytes, bytes]:
    """Return the record of every leaf that has one."""
    records = [record_of(index) for index, _ in CLAIMS]
    records += [b"not in the tree"]
    for index, size in FULLY_BENT:
        if size > 1:
            claim = inclusion_tree(index, size).inclusion(index, size)
            pair = (claim.leaf_hash, claim.proof[0])
            for children in (b"".join(pair), b"".join(pair[::-1])):
                records += [children, b"\1" + children]
    return {hash_leaf(record): record for record in records}


KNOWN_RECORDS = known_records()

ConsistencyEdit = Callable[[Consistency, SparseTree], Consistency | None]


# Both sizes, bent.  Some of these use the proof in the same way, and so are valid as well.
CONSISTENCY_NUMBERS: dict[str, Callable[[Consistency], tuple[int, int]]] = {
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


def with_proof(least: int, bend: ListEdit) -> ConsistencyEdit:
    return lambda c, _: c._replace(proof=bend(c.proof)) if len(c.proof) >= least else None


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
        fork = SparseTree(range(REAL), altered=[0]).consistency(claim.old_size, claim.new_size)
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


CONSISTENCY_HASHES: dict[str, ConsistencyEdit] = {
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
CONSISTENCY_EDITS = {
    **{name: with_sizes(change) for name, change in CONSISTENCY_NUMBERS.items()},
    **{name: with_proof(*edit) for name, edit in LIST_EDITS.items()},
    **CONSISTENCY_HASHES,
}

# (old size, new size), by how many of the edits are made.
GROWTHS_FULLY_BENT = [(1, 2), (3, 7), (4, 7), (6, 8)]
GROWTHS_NUMBERS_BENT = [
    (1, 3), (2, 3), (3, 4), (8, 9), (5, 9), (16, 31), (32, 33), (256, 257),
    (2**31, 2**31 + 1), (2**32, 2**32 + 1), (2**32 + 5, 2**32 + 7), (2**47, 2**47 + 1),
]  # fmt: skip
GROWTHS_SELDOM_BENT = [(65, 100), (1_000_003, 2**20 + 3), (2**47 + 2**33 + 9, MAX_SIZE)]
GROWTHS_SELDOM_EDITS = [
    "old size 2^32 higher", "new size 2^48 higher", "the first hash missing",
    "the last hash missing", "the last two hashes swapped", "the last bit of the last hash flipped",
    "a bit of the old root flipped", "a byte moved between the first two hashes",
]  # fmt: skip
GROWTHS_HONEST = [
    *((old, new) for new in range(2, 10) for old in range(1, new)),
    (1, 31), (30, 31), (31, 32), (1, 33), (31, 33), (64, 100), (99, 100), (1, 255), (128, 255),
    (128, 256), (129, 256), (255, 256), (1, 257), (200, 257), (255, 257),
    (2**20, 2**20 + 3), (2**20 + 2, 2**20 + 3),
    (1, MAX_SIZE), (2**47, MAX_SIZE), (2**47 + 1, MAX_SIZE), (MAX_SIZE - 1, MAX_SIZE),
]  # fmt: skip
GROWTHS = sorted(
    {*GROWTHS_HONEST, *GROWTHS_FULLY_BENT, *GROWTHS_NUMBERS_BENT, *GROWTHS_SELDOM_BENT},
    key=lambda claim: claim[::-1],
)


def build_consistency() -> dict[str, object]:
    """Return consistency.json."""
    cases = [
        consistency_case(f"{old} to {new} leaves", growth_tree(old, new).consistency(old, new))
        for old, new in GROWTHS
    ]
    assert all(case["result"] == "valid" for case in cases)
    seen: Seen = []
    for claims, edits in (
        (GROWTHS_FULLY_BENT, CONSISTENCY_EDITS),
        (GROWTHS_NUMBERS_BENT, CONSISTENCY_NUMBERS),
        (GROWTHS_SELDOM_BENT, GROWTHS_SELDOM_EDITS),
    ):
        for old, new in claims:
            cases += bent_consistencies(old, new, edits, seen)
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


def growth_tree(old: int, new: int) -> SparseTree:
    return tree_of(new, old - 2, old - 1, old, old + 1)


def bent_consistencies(old: int, new: int, names: Iterable[str], seen: Seen) -> Iterator[Case]:
    tree = growth_tree(old, new)
    honest = tree.consistency(old, new)
    for name in names:
        claim = CONSISTENCY_EDITS[name](honest, tree)
        if claim is None or claim == honest or claim in seen:
            continue
        seen.append(claim)
        case = consistency_case(f"{old} to {new} leaves: {name}", claim)
        holds = case["result"] == "valid"
        assert not holds or name in CONSISTENCY_NUMBERS, case["name"]
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


# Tiles.

TILED_SIZES = (1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000)


def build_tiles() -> dict[str, object]:
    """Return tiles.json."""
    tree = LargeTree(record_of(index) for index in range(max(TILED_SIZES)))
    return {
        "about": "The tiles of logs whose leaf i is SHA-256(0x00 || i as 8 bytes, big-endian), and "
        "the names of tiles (C2SP tlog-tiles).",
        "rules": {
            "root": "the tiles lead to the root",
            "tile-set": "the tiles are those that a log of this size has",
            "tile-bytes": "the tile's bytes have this SHA-256",
            "path-form": "a path is tile/LEVEL/NUMBER or tile/LEVEL/NUMBER.p/WIDTH",
            "path-level": "the level is 0 to 5: 2^48 leaves have no more (C2SP has up to 63)",
            "path-number": "the number is in groups of three digits, all but the last with an x in "
            "front, the first not x000",
            "path-width": "the width of a partial tile is 1 to 255, without leading zeros",
        },
        "trees": [*(tiled(tree, size) for size in TILED_SIZES), *bent_trees(tree)],
        "paths": [*valid_paths(), *invalid_paths()],
    }


def tiles_of(tree: LargeTree, size: int) -> dict[str, str]:
    """Return the SHA-256 of each tile's bytes, by path, from tlog-tiles' definition."""
    tiles = {}
    level = 0
    while count := size >> 8 * level:
        hashes = tree.levels[8 * level][: 32 * count]
        for number in range((count + 255) // 256):
            data = hashes[8192 * number : 8192 * (number + 1)]
            tiles[tile_path(level, number, len(data) // 32)] = hashlib.sha256(data).hexdigest()
        level += 1
    return tiles


def tile_path(level: int, number: int, width: int) -> str:
    groups = f"{number:,}".split(",")
    name = "/".join([*(f"x{group:0>3}" for group in groups[:-1]), f"{groups[-1]:0>3}"])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < 256 else "")


def tiled(tree: LargeTree, size: int) -> Case:
    return valid(
        f"{size:,} leaves" if size > 1 else "1 leaf",
        size=size,
        root=tree.root(0, size).hex(),
        tiles=tiles_of(tree, size),
    )


def bent_trees(tree: LargeTree) -> Iterator[Case]:
    size, tiles = 257, tiles_of(tree, 257)
    root = tree.root(0, size).hex()

    def bent(name: str, rule: str, **fields: object) -> Case:
        claimed: Case = {"size": size, "root": root, "tiles": tiles}
        return invalid(f"{size} leaves: {name}", rule, **claimed | fields)

    yield bent("the root of 256 leaves", "root", root=tree.root(0, 256).hex())
    yield bent("the root of 258 leaves", "root", root=tree.root(0, 258).hex())
    yield bent("a bit of the root flipped", "root", root=flip(bytes.fromhex(root), 0).hex())
    doubled = hash_node(tree.root(0, 256), hash_node(tree.root(256, 257), tree.root(256, 257)))
    yield bent("the root with the last leaf doubled", "root", root=doubled.hex())
    yield bent("the tiles of 258 leaves", "tile-set", tiles=tiles_of(tree, 258))
    for path in tiles:
        fewer = {other: digest for other, digest in tiles.items() if other != path}
        yield bent(f"without {path}", "tile-set", tiles=fewer)
        digest = flip(bytes.fromhex(tiles[path]), 3).hex()
        yield bent(f"a bit of {path} flipped", "tile-bytes", tiles=tiles | {path: digest})
    upper = {"tile/2/000.p/1": hashlib.sha256(bytes.fromhex(root)).hexdigest()}
    yield bent("a level too many", "tile-set", tiles=tiles | upper)
    small = tiles_of(tree, 255)
    ragged = {"tile/1/000.p/1": hashlib.sha256(tree.root(0, 255)).hexdigest()}
    yield invalid(
        "255 leaves: the root of a partial tile in the tile above it", "tile-set",
        size=255, root=tree.root(0, 255).hex(), tiles=small | ragged,
    )  # fmt: skip


def valid_paths() -> Iterator[Case]:
    for path, level, number, width in (
        ("tile/0/000", 0, 0, 256),
        ("tile/0/000.p/1", 0, 0, 1),
        ("tile/0/000.p/255", 0, 0, 255),
        ("tile/0/001", 0, 1, 256),
        ("tile/0/999", 0, 999, 256),
        ("tile/0/x001/000", 0, 1_000, 256),
        ("tile/0/x001/x234/067", 0, 1_234_067, 256),
        ("tile/0/x001/x000/000.p/255", 0, 1_000_000, 255),
        ("tile/0/x010/000", 0, 10_000, 256),
        ("tile/0/x999/x999/999.p/10", 0, 999_999_999, 10),
        ("tile/0/273.p/112", 0, 273, 112),
        ("tile/1/001.p/17", 1, 1, 17),
        ("tile/2/000.p/1", 2, 0, 1),
        ("tile/3/x016/x777/215", 3, 16_777_215, 256),
        ("tile/5/255.p/99", 5, 255, 99),
        ("tile/0/x001/x099/x511/x627/775.p/255", 0, 2**40 - 1, 255),
    ):
        assert tile_path(level, number, width) == path
        yield valid(path, path=path, level=level, number=number, width=width)


INVALID_PATHS = {
    "path-form": [
        "", "tile", "tile/0", "tile/0/", "tile/000", "000", "/tile/0/000", "./tile/0/000",
        "tile/0/000/", "tile/0//000", "tile//0/000", "tile/0/000\n", " tile/0/000",
        "tile/0/000 ", "TILE/0/000", "tiles/0/000", "tile\\0\\000", "tile/0/000?",
        "tile/0/000.gz", "tile/0/000.p", "tile/0/000.P/1", "tile/0/000/p/1", "tile/0/000.p.1",
        "tile/0/000.p/1.p/1", "tile/0/000.p/1/", "tile/0/../0/000", "tile/0/%30%30%30",
    ],
    "path-level": [
        "tile//000", "tile/00/000", "tile/01/000", "tile/-1/000", "tile/+1/000", "tile/6/000",
        "tile/10/000", "tile/63/000", "tile/x/000", "tile/0x0/000", "tile/\u0660/000",
        "tile/entries/000", "tile/data/000", "tile/x000/000",
    ],
    "path-number": [
        "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/1234067", "tile/0/x000/001",
        "tile/0/x000/x001/000", "tile/0/x000/000", "tile/0/001/001", "tile/0/001/x001",
        "tile/0/x001", "tile/0/x001/x002", "tile/0/x1/002", "tile/0/x001/x2/003",
        "tile/0/x0001/000", "tile/0/X001/000", "tile/0/xx001/000", "tile/0/x001000",
        "tile/0/-01", "tile/0/+01", "tile/0/00a", "tile/0/0x1", "tile/0/\u0660\u0660\u0660",
        "tile/0/\uff10\uff10\uff10", "tile/0/x001/\u0660\u0660\u0660",
    ],
    "path-width": [
        "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/00", "tile/0/000.p/01",
        "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/999", "tile/0/000.p/1000",
        "tile/0/000.p/-1", "tile/0/000.p/+1", "tile/0/000.p/1.0", "tile/0/000.p/1 ",
        "tile/0/000.p/ 1", "tile/0/000.p/1\n", "tile/0/000.p/x001", "tile/0/000.p/\u0661",
    ],
}  # fmt: skip


def invalid_paths() -> Iterator[Case]:
    for rule, paths in INVALID_PATHS.items():
        for path in paths:
            yield invalid(json.dumps(path)[1:-1] or "an empty path", rule, path=path)


# Notes and checkpoints.


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def line(name: str, identified: bytes) -> str:
    return f"\u2014 {name} {encode_base64(identified)}\n"


@dataclass(frozen=True)
class Key:
    """A key that anybody has."""

    name: str
    label: str

    @property
    def private(self) -> Ed25519PrivateKey:
        seed = hashlib.sha256(b"anchor test vectors: " + self.label.encode()).digest()
        return Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def id(self) -> bytes:
        return key_id(self.name, b"\1" + self.public)

    @property
    def verifier(self) -> str:
        return verifier_of(self.name, b"\1" + self.public)

    def sign(self, text: str) -> bytes:
        return self.private.sign(text.encode())

    def line(self, text: str) -> str:
        return line(self.name, self.id + self.sign(text))

    def note(self, text: str) -> str:
        return f"{text}\n{self.line(text)}"


def key_id(name: str, typed_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + typed_key).digest()[:4]


def verifier_of(name: str, typed_key: bytes) -> str:
    return f"{name}+{key_id(name, typed_key).hex()}+{encode_base64(typed_key)}"


CHAIN_ID = 11155111
REGISTRY = "0x52908400098527886e0f7030069857d2e4169ee7"
LOG_ID = "0x000000000000000000000003" + "ab" * 20
ORIGIN = f"eip155:{CHAIN_ID}/{REGISTRY}/{LOG_ID}"
LOG = Key(ORIGIN, "log")
WITNESS = Key("witness.example/w1", "witness")
# Its base64 holds a plus, the character that separates a verifier key's parts.
PLUS = next(
    key for number in range(1000) if "+" in encode_base64((key := Key("plus", str(number))).public)
)
# Go's golang.org/x/mod/sumdb/note, note_test.go; C2SP signed-note, section "Verifier keys".
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
)
C2SP_VERIFIER = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_TEXT = "This is an example message.\n"
C2SP_LINE = (
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mF"
    "XmRKuwHjG1Yu72IneyaQM=\n"
)
# A root whose base64 differs in the alphabets of RFC 4648 sections 4 and 5.
TREE_ROOT = next(
    root
    for number in range(1000)
    if {"+", "/"} <= set(encode_base64(root := hash_leaf(record_of(number))))
)
ROOT_LINE = encode_base64(TREE_ROOT)
SIZE = 20852163
TEXT = f"{ORIGIN}\n{SIZE}\n{ROOT_LINE}\n"


def last_bits_set(text: str) -> str:
    """Set a bit of base64 beyond the last byte: the next letter decodes to the same."""
    at = len(text.rstrip("=\n")) - 1
    return text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :]


def build_checkpoints() -> dict[str, object]:
    """Return checkpoints.json."""
    return {
        "about": "Verifier keys and signed notes (C2SP signed-note), checkpoints (C2SP "
        "tlog-checkpoint), and this project's origins.",
        "rules": {
            "utf-8": "a note is UTF-8",
            "control-character": "a note holds no character below U+0020 but newline",
            "empty-line": "a text that ends in a newline and an empty line stand before the "
            "signatures",
            "signatures": "signature lines follow the last empty line, each with its newline",
            "signature-line": "a signature line is em dash, space, key name, space, base64",
            "signature-base64": "a signature is base64 (RFC 4648 section 4)",
            "signature-canonical": "base64 has no bits set beyond its last byte (this project's)",
            "signature-empty": "a signature is longer than the key id",
            "signature-number": "a note has at most 100 signatures (this project's limit)",
            "signature-invalid": "every signature with the key's name and id is one of the text "
            "(C2SP: SHOULD)",
            "not-signed": "at least one signature has the key's name and id",
            "checkpoint-lines": "a checkpoint has the lines origin, size and root",
            "checkpoint-empty-line": "no line of a checkpoint is empty",
            "size-spelling": "the size is decimal, without a sign or leading zeros",
            "size-maximum": "the size is below 2^48 (this project's limit)",
            "root-base64": "the root is base64 (RFC 4648 section 4)",
            "root-canonical": "base64 has no bits set beyond its last byte (this project's)",
            "root-length": "the root is 32 bytes long",
            "key-form": "a verifier key is name, id and key, joined by plus signs",
            "key-id-spelling": "the id is 8 lower-case hex digits (lower-case: this project's)",
            "key-base64": "the key is base64 (RFC 4648 section 4)",
            "key-canonical": "base64 has no bits set beyond its last byte (this project's)",
            "key-empty": "the key begins with its signature type",
            "key-type": "the signature type is 0x01, Ed25519 (the only one in this project)",
            "key-name": "a key name is not empty and holds no space, plus or control character",
            "key-name-length": "a key name has at most 255 bytes (this project's limit)",
            "key-length": "an Ed25519 key is 32 bytes long",
            "key-id": "the id is SHA-256(name || 0x0a || 0x01 || key), its first 4 bytes",
            "key-point": "the key is a point on the curve (RFC 8032 section 5.1.3)",
            "key-order": "the point's order is not 1, 2, 4 or 8 (this project's)",
            "origin-form": "an origin is eip155:CHAIN ID/REGISTRY/LOG",
            "origin-chain-spelling": "the chain id is decimal, without a sign or leading zeros",
            "origin-chain-range": "the chain id is 1 to 2^53 - 1",
            "origin-registry": "the registry is 0x and 40 lower-case hex digits",
            "origin-log": "the log is 0x and 64 lower-case hex digits",
        },
        "keys": [*valid_keys(), *invalid_keys()],
        "notes": [*valid_notes(), *invalid_notes()],
        "checkpoints": [*valid_checkpoints(), *invalid_checkpoints()],
        "origins": [*valid_origins(), *invalid_origins()],
    }


def valid_keys() -> Iterator[Case]:
    for name, verifier, key_name in (
        ("C2SP's example", C2SP_VERIFIER, "example.com/foo"),
        ("Go's example", GO_VERIFIER, "PeterNeumann"),
        ("a log's key", LOG.verifier, LOG.name),
        ("a witness's key", WITNESS.verifier, WITNESS.name),
        ("a plus in the base64", PLUS.verifier, PLUS.name),
        ("a name that is not ASCII", Key("caff\u00e8", "x").verifier, "caff\u00e8"),
        ("a name of 255 bytes", Key("x" * 255, "x").verifier, "x" * 255),
    ):
        identifier, encoded = verifier.removeprefix(key_name + "+").split("+", 1)
        public = base64.b64decode(encoded)[1:].hex()
        yield valid(
            name, verifier=verifier, key_name=key_name, key_id=identifier, public_key=public
        )


def invalid_keys() -> Iterator[Case]:
    name, identifier, encoded = C2SP_VERIFIER.split("+")
    typed = base64.b64decode(encoded)
    other = key_id("example.com/bar", typed).hex()
    for rule, cases in {
        "key-form": {
            "empty": "",
            "a name alone": name,
            "no key": f"{name}+{identifier}",
            "no id": f"{name}+{encoded}",
        },
        "key-id-spelling": {
            "an id in capitals": f"{name}+{identifier.upper()}+{encoded}",
            "an id with 0x": f"{name}+0x{identifier}+{encoded}",
            "an id a digit short": f"{name}+{identifier[:-1]}+{encoded}",
            "an id a digit longer": f"{name}+0{identifier}+{encoded}",
            "a plus in the name": f"a+{C2SP_VERIFIER}",
        },
        "key-base64": {
            "a newline at the end": C2SP_VERIFIER + "\n",
            "a space at the end": C2SP_VERIFIER + " ",
            "no padding": verifier_of(name, typed + b"\0").rstrip("="),
            "a fourth part": C2SP_VERIFIER + "+-",
            "URL-safe base64": PLUS.verifier[:14]
            + encode_base64(b"\1" + PLUS.public).replace("+", "-").replace("/", "_"),
        },
        "key-canonical": {
            "bits beyond the last byte": last_bits_set(verifier_of(name, typed + b"\0")),
        },
        "key-empty": {
            "an empty key": f"{name}+{identifier}+",
        },
        "key-type": {
            "a key of type 0x00": verifier_of(name, b"\0" + typed[1:]),
            "a key of type 0x04": verifier_of(name, b"\4" + typed[1:]),
            "a key of type 0xff": verifier_of(name, b"\xff" + typed[1:]),
            "a key without its type": verifier_of(name, typed[1:]),
        },
        "key-name": {
            "an empty name": verifier_of("", typed),
            "a space in the name": verifier_of("example.com foo", typed),
            "a space before the name": verifier_of(" " + name, typed),
            "U+00A0 in the name": verifier_of("example.com\u00a0foo", typed),
            "U+2003 in the name": verifier_of("example.com\u2003foo", typed),
            "U+3000 in the name": verifier_of("example.com\u3000foo", typed),
            "U+2028 in the name": verifier_of("example.com\u2028foo", typed),
            "a tab in the name": verifier_of("example.com\tfoo", typed),
            "a newline in the name": verifier_of("example.com\nfoo", typed),
        },
        "control-character": {
            "U+0001 in the name": verifier_of("example.com\1foo", typed),
        },
        "key-name-length": {
            "a name of 256 bytes": verifier_of("x" * 256, typed),
            "a name of 256 bytes in 128 characters": verifier_of("\u00e8" * 128, typed),
        },
        "key-length": {
            "a key of 31 bytes": verifier_of(name, typed[:-1]),
            "a key of 33 bytes": verifier_of(name, typed + b"\0"),
            "a key of no bytes": verifier_of(name, b"\1"),
        },
        "key-id": {
            "the id of another name": f"{name}+{other}+{encoded}",
            "another name": f"example.com/bar+{identifier}+{encoded}",
            "another key": f"{name}+{identifier}+{encode_base64(bytes([1]) + LOG.public)}",
            "the id without the type": f"{name}+{key_id(name, typed[1:]).hex()}+{encoded}",
            "the id's bytes reversed": f"{name}+{bytes.fromhex(identifier)[::-1].hex()}+{encoded}",
        },
        "key-point": {
            "no point on the curve": verifier_of(name, b"\1\2" + bytes(31)),
            "a coordinate above the field": verifier_of(name, b"\1" + b"\xff" * 32),
        },
        "key-order": {
            "the neutral point": verifier_of(name, b"\1" + NEUTRAL),
            "the point of order 2": verifier_of(name, b"\1\xec" + b"\xff" * 30 + b"\x7f"),
            "a point of order 4": verifier_of(name, b"\1" + bytes(32)),
            "a point of order 8": verifier_of(name, b"\1" + ORDER_8),
        },
    }.items():
        for title, verifier in cases.items():
            yield invalid(title, rule, verifier=verifier)


def valid_notes() -> Iterator[Case]:
    yield valid(
        "C2SP's example",
        note=f"{C2SP_TEXT}\n{C2SP_LINE}", verifier=C2SP_VERIFIER, text=C2SP_TEXT,
    )  # fmt: skip
    yield valid("Go's example", note=f"{GO_TEXT}\n{GO_LINE}", verifier=GO_VERIFIER, text=GO_TEXT)
    for name, text in (
        ("a text of one empty line", "\n"),
        ("empty lines in the text", "a\n\nb\n\n\n"),
        ("a note as the text", WITNESS.note("inner\n")),
        ("the key's own note as the text", LOG.note("inner\n")),
        ("a byte order mark", "\ufeffa\n"),
        ("U+0085 and U+2028, which end no line", "a\u0085b\u2028c\n"),
        ("U+007F, which is not forbidden", "a\x7fb\n"),
        ("characters beyond U+FFFF", "\U0001f512\n"),
        ("spaces at the ends of lines", " a \n b \n"),
    ):
        yield valid(name, note=LOG.note(text), verifier=LOG.verifier, text=text)
    text = "text\n"
    ours, other = LOG.line(text), WITNESS.line(text)
    foreign = line("x", b"abcde")
    for name, lines in (
        ("the same signature twice", ours * 2),
        ("another key's signature before", other + ours),
        ("another key's signature after", ours + other),
        ("another key's signature, invalid", line(WITNESS.name, WITNESS.id + bytes(64)) + ours),
        ("the name with another id", line(LOG.name, WITNESS.id + bytes(64)) + ours),
        ("the id with another name", line(WITNESS.name, LOG.id + bytes(64)) + ours),
        ("a signature of one byte by another key", foreign + ours),
        ("a signature of 2,420 bytes by another key", ours + line("pq", b"\1" * 2424)),
        ("16 signatures, the least a verifier has to read", foreign * 15 + ours),
        ("100 signatures", ours + foreign * 99),
    ):
        yield valid(name, note=f"{text}\n{lines}", verifier=LOG.verifier, text=text)


def invalid_notes() -> Iterator[Case]:
    text = "text\n"
    note, ours, signature = LOG.note(text), LOG.line(text), LOG.sign(text)
    for name, encoded in (
        ("a byte 0xff", b"\xff" + note.encode()),
        ("an overlong zero", b"\xc0\x80" + note.encode()),
        ("an encoded surrogate", b"\xed\xa0\x80" + note.encode()),
        ("Latin-1", f"caff\u00e8\n\n{ours}".encode().replace(b"\xc3\xa8", b"\xe8")),
    ):
        yield invalid(name, "utf-8", note_hex=encoded.hex(), verifier=LOG.verifier)
    scalar = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    foreign = line("x", b"abcde")
    padded = line("x", b"abcdefgh")
    for rule, cases in {
        "empty-line": {
            "empty": "",
            "a text alone": text,
            "a signature line alone": ours,
            "no empty line": text + ours,
            "no text": "\n" + ours,
            "a text without its newline": "text\n" + LOG.line("text"),
            "carriage returns before all newlines": note.replace("\n", "\r\n"),
            "a space in the empty line": f"{text} \n{ours}",
        },
        "control-character": {
            "a NUL in the text": LOG.note("te\0xt\n"),
            "a tab in the text": LOG.note("te\txt\n"),
            "U+001F in the text": LOG.note("te\x1fxt\n"),
            "U+000B in the text": LOG.note("te\x0bxt\n"),
            "a carriage return in the text": LOG.note("text\r\n"),
            "a carriage return at the end": note[:-1] + "\r\n",
            "a tab in another key's name": note + line("a\tb", b"abcde"),
        },
        "signatures": {
            "no signature lines": text + "\n",
            "no newline at the end": note[:-1],
            "an empty line at the end": note + "\n",
            "an unfinished line at the end": note + "x",
            "a last line without its newline": note + foreign[:-1],
        },
        "signature-line": {
            "another line after the signatures": note + "x\n",
            "a hyphen for the em dash": note.replace("\u2014", "-"),
            "an en dash for the em dash": note.replace("\u2014", "\u2013"),
            "no space after the em dash": note.replace("\u2014 ", "\u2014"),
            "two spaces after the em dash": note.replace("\u2014 ", "\u2014  "),
            "a space before the em dash": f"{text}\n {ours}",
            "U+00A0 after the em dash": note.replace("\u2014 ", "\u2014\u00a0"),
            "a plus in a key name": note + line("a+b", b"abcde"),
            "U+2003 in a key name": note + line("a\u2003b", b"abcde"),
            "U+0085 in a key name": note + line("a\u0085b", b"abcde"),
            "an empty key name": note + line("", b"abcde"),
        },
        "signature-base64": {
            "a space in a key name": note + line("a b", b"abcde"),
            "two spaces after the name": note.replace(LOG.name + " ", LOG.name + "  "),
            "a space after the signature": note[:-1] + " \n",
            "a signature without its padding": note + padded.replace("=", ""),
            "padding too much": note[:-1] + "=\n",
            "URL-safe base64": note + "\u2014 x YWJjZG-_\n",
            "a signature in hex of odd length": note + "\u2014 x 0123456\n",
        },
        "signature-canonical": {
            "bits beyond the last byte": last_bits_set(note),
            "bits beyond the last byte of another key's": note + last_bits_set(padded),
        },
        "signature-empty": {
            "no signature after the name": note + "\u2014 x\n",
            "no signature after the name and a space": note + "\u2014 x \n",
            "a key id alone": note + line("x", b"abcd"),
            "a key id cut short": note + line("x", b"abc"),
        },
        "signature-number": {
            "101 signatures": note + foreign * 100,
        },
        "signature-invalid": {
            "another text": note.replace(text, "Text\n"),
            "a space more in the text": note.replace(text, "text \n"),
            "an empty line more": f"{text}\n\n{ours}",
            "signed without the text's newline": f"{text}\n{LOG.line('text')}",
            "signed with the empty line": f"{text}\n{LOG.line('text' * 2)}",
            "a bit of R flipped": note_of(text, flip(signature, 0)),
            "a bit of S flipped": note_of(text, flip(signature, 256)),
            "the last bit flipped": note_of(text, flip(signature, 511)),
            "S plus the group's order": note_of(text, signature[:32] + scalar),
            "a zero signature": note_of(text, bytes(64)),
            "a signature of 63 bytes": note_of(text, signature[:-1]),
            "a signature of 65 bytes": note_of(text, signature + b"\0"),
            "another key's signature under this name and id": note_of(text, WITNESS.sign(text)),
            "an invalid signature beside a valid one": note + line(LOG.name, LOG.id + bytes(64)),
            "an invalid signature before a valid one": note_of(text, bytes(64)) + ours,
        },
        "not-signed": {
            "another key's signature alone": WITNESS.note(text),
            "another key of the same name": Key(LOG.name, "thief").note(text),
            "another key id": f"{text}\n{line(LOG.name, flip(LOG.id, 0) + signature)}",
            "the key id's bytes reversed": f"{text}\n{line(LOG.name, LOG.id[::-1] + signature)}",
            "another name": f"{text}\n{line('example.com', LOG.id + signature)}",
            "the name with other capitals": f"{text}\n{line(LOG.name.upper(), LOG.id + signature)}",
            "the key's note as another key's text": WITNESS.note(note),
        },
    }.items():
        for name, bent in cases.items():
            yield invalid(name, rule, note=bent, verifier=LOG.verifier)
    # R is the neutral point and S is 0: no private key is needed.
    for order, point in (("1", NEUTRAL), ("8", ORDER_8)):
        forged = line("x", key_id("x", b"\1" + point) + NEUTRAL + bytes(32))
        yield invalid(
            f"forged under a key of order {order}",
            "key-order",
            note=f"{text}\n{forged}",
            verifier=verifier_of("x", b"\1" + point),
        )


def note_of(text: str, signature: bytes) -> str:
    return f"{text}\n{line(LOG.name, LOG.id + signature)}"


def valid_checkpoints() -> Iterator[Case]:
    empty = encode_base64(EMPTY_ROOT)
    for name, text in (
        ("a checkpoint", TEXT),
        ("the empty log", f"{ORIGIN}\n0\n{empty}\n"),
        ("one leaf", f"{ORIGIN}\n1\n{ROOT_LINE}\n"),
        ("2^31 leaves", f"{ORIGIN}\n{2**31}\n{ROOT_LINE}\n"),
        ("2^32 + 1 leaves", f"{ORIGIN}\n{2**32 + 1}\n{ROOT_LINE}\n"),
        ("2^48 - 1 leaves, the most", f"{ORIGIN}\n{MAX_SIZE}\n{ROOT_LINE}\n"),
        ("a zero root", f"{ORIGIN}\n{SIZE}\n{encode_base64(ZERO)}\n"),
        ("an extension line", TEXT + "extension\n"),
        ("many extension lines", TEXT + "".join(f"{number}\n" for number in range(20))),
        ("an extension line of one space", TEXT + " \n"),
        ("an extension line like a signature", TEXT + "\u2014 x YWJjZGU=\n"),
        # The specification wants them to be the same; the caller has to compare.
        ("an origin that is not the key's name", f"example.com/log\n{SIZE}\n{ROOT_LINE}\n"),
        ("spaces in the origin", f"go.sum database tree\n{SIZE}\n{ROOT_LINE}\n"),
        ("U+0085 and U+2028 in the origin", f"a\u0085b\u2028c\n{SIZE}\n{ROOT_LINE}\n"),
    ):
        yield valid(name, note=LOG.note(text), verifier=LOG.verifier, **said(text))
    cosigned = f"{TEXT}\n{LOG.line(TEXT)}{WITNESS.line(TEXT)}"
    yield valid("cosigned by a witness", note=cosigned, verifier=LOG.verifier, **said(TEXT))
    yield valid(
        "cosigned, for the witness's key", note=cosigned, verifier=WITNESS.verifier, **said(TEXT)
    )


def said(text: str) -> dict[str, object]:
    origin, size, root = text.split("\n")[:3]
    return {"origin": origin, "size": int(size), "root": base64.b64decode(root).hex()}


def invalid_checkpoints() -> Iterator[Case]:
    """Signed texts that are no checkpoints, and checkpoints that are not signed."""
    tail = f"\n{ROOT_LINE}\n"
    yield from refused(
        "checkpoint-lines",
        {
            "an origin alone": f"{ORIGIN}\n",
            "no root": f"{ORIGIN}\n{SIZE}\n",
            "no size": f"{ORIGIN}\n{ROOT_LINE}\n",
        },
    )
    yield from refused(
        "checkpoint-empty-line",
        {
            "an empty origin": f"\n{SIZE}{tail}",
            "an empty size": f"{ORIGIN}\n{tail}",
            "an empty root": f"{ORIGIN}\n{SIZE}\n\n",
            "an empty line before the origin": f"\n{TEXT}",
            "an empty line after the root": f"{TEXT}\n",
            "an empty line between extensions": f"{TEXT}a\n\nb\n",
        },
    )
    yield from refused(
        "size-spelling",
        {
            f"the size {json.dumps(size)}": f"{ORIGIN}\n{size}{tail}"
            for size in (
                "00", "07", "+7", "-7", "-0", "7.0", "7.", "0x7", "7e0", "1_000", "1,000", "7 ",
                " 7", "seven", "\u0667", "1\u0667", "\uff17", "\u00b2", "9" * 17, "9" * 400,
            )
        },
    )  # fmt: skip
    yield from refused(
        "size-maximum",
        {
            f"the size {size}": f"{ORIGIN}\n{size}{tail}"
            for size in (2**48, 2**48 + 1, 2**53 - 1, 2**53 + 1)
        },
    )
    yield from refused(
        "root-base64",
        {
            name: f"{ORIGIN}\n{SIZE}\n{root}\n"
            for name, root in (
                ("the root without its padding", ROOT_LINE.rstrip("=")),
                ("the root with padding too much", ROOT_LINE + "="),
                ("the root cut short", ROOT_LINE[:-2]),
                ("a space after the root", ROOT_LINE + " "),
                ("a space before the root", " " + ROOT_LINE),
                ("the root in URL-safe base64", ROOT_LINE.translate({43: "-", 47: "_"})),
                ("the root with 0x and in hex", "0x" + TREE_ROOT.hex() + "0"),
                ("the root with a letter that is not ASCII", "\u00e9" + ROOT_LINE[1:]),
            )
        },
    )
    yield from refused(
        "root-canonical",
        {"bits beyond the root's last byte": f"{ORIGIN}\n{SIZE}\n{last_bits_set(ROOT_LINE)}\n"},
    )
    yield from refused(
        "root-length",
        {
            name: f"{ORIGIN}\n{SIZE}\n{root}\n"
            for name, root in (
                ("a root of 31 bytes", encode_base64(TREE_ROOT[:31])),
                ("a root of 33 bytes", encode_base64(TREE_ROOT + b"\0")),
                ("a root of 64 bytes", encode_base64(TREE_ROOT * 2)),
                ("a root of one byte", encode_base64(b"a")),
                ("the root in hex", TREE_ROOT.hex()),
            )
        },
    )
    yield from refused(
        "control-character",
        {
            "a tab in the origin": f"a\tb\n{SIZE}{tail}",
            "a carriage return after the size": f"{ORIGIN}\n{SIZE}\r{tail}",
            "a NUL in an extension line": f"{TEXT}\0\n",
        },
    )
    note, signature = LOG.note(TEXT), LOG.sign(TEXT)
    other = line(LOG.name, flip(LOG.id, 9) + signature)
    for rule, cases in {
        "signatures": {
            "no signature": TEXT + "\n",
            "no newline at the end": note[:-1],
        },
        "empty-line": {
            "no signature and no empty line": TEXT,
            "no newline after the root": TEXT[:-1] + "\n" + LOG.line(TEXT[:-1]),
        },
        "signature-invalid": {
            "one leaf more than signed": note.replace(f"{SIZE}", f"{SIZE + 1}"),
            "another root than signed": note.replace(ROOT_LINE, encode_base64(EMPTY_ROOT)),
            "another origin than signed": note.replace(f"{ORIGIN}\n", "example.com/log\n"),
            "an extension line that was not signed": f"{TEXT}more\n\n{LOG.line(TEXT)}",
            "an empty line that was not signed": f"{TEXT}\n\n{LOG.line(TEXT)}",
        },
        "not-signed": {
            "signed by another key": WITNESS.note(TEXT),
            "signed by another key of the same name": Key(ORIGIN, "thief").note(TEXT),
            "signed under another key id": f"{TEXT}\n{other}",
            "signed under another name": f"{TEXT}\n{line('example.com/log', LOG.id + signature)}",
            "a cosigned checkpoint as another key's text": WITNESS.note(note),
        },
    }.items():
        for name, bent in cases.items():
            yield invalid(name, rule, note=bent, verifier=LOG.verifier)


def refused(rule: str, texts: dict[str, str]) -> Iterator[Case]:
    for name, text in texts.items():
        yield invalid(name, rule, note=LOG.note(text), verifier=LOG.verifier)


def valid_origins() -> Iterator[Case]:
    for chain_id, registry, log in (
        (CHAIN_ID, REGISTRY, LOG_ID),
        (1, "0x" + "00" * 20, "0x" + "00" * 32),
        (2**53 - 1, "0x" + "ff" * 20, "0x" + "ff" * 32),
    ):
        yield valid(
            f"chain {chain_id}",
            origin=f"eip155:{chain_id}/{registry}/{log}",
            chain_id=chain_id, registry=registry, log=log,
        )  # fmt: skip


def invalid_origins() -> Iterator[Case]:
    for rule, edits in {
        "origin-form": {
            "no scheme": ("eip155:", ""),
            "no colon": ("eip155:", "eip155"),
            "the scheme in capitals": ("eip155:", "EIP155:"),
            "another scheme": ("eip155:", "bip122:"),
            "a space before the scheme": ("eip155:", " eip155:"),
            "no log": ("/" + LOG_ID, ""),
            "no registry": ("/" + REGISTRY, ""),
            "a fourth part": (LOG_ID, LOG_ID + "/x"),
            "a slash at the end": (LOG_ID, LOG_ID + "/"),
            "no slash before the log": ("/" + LOG_ID, LOG_ID),
            "a URL": (ORIGIN, "https://example.com/log"),
            "empty": (ORIGIN, ""),
        },
        "origin-chain-spelling": {
            f"the chain id {json.dumps(chain)}": (str(CHAIN_ID), chain)
            for chain in (
                "",
                "0" + str(CHAIN_ID),
                "+1",
                "-1",
                "0x1",
                "1.0",
                " 1",
                "\u0661",
                "1\u0661",
                "1" * 17,
            )
        },
        "origin-chain-range": {
            f"the chain id {chain}": (str(CHAIN_ID), str(chain)) for chain in (0, 2**53)
        },
        "origin-registry": {
            "a registry without 0x": (REGISTRY, REGISTRY[2:]),
            "a registry with 0X": (REGISTRY, "0X" + REGISTRY[2:]),
            "a registry in mixed case": (REGISTRY, REGISTRY.replace("e", "E", 1)),
            "a registry a digit short": (REGISTRY, REGISTRY[:-1]),
            "a registry a byte longer": (REGISTRY, REGISTRY + "00"),
            "a registry that is not hex": (REGISTRY, REGISTRY[:-1] + "g"),
            "an empty registry": (REGISTRY, ""),
        },
        "origin-log": {
            "a log without 0x": (LOG_ID, LOG_ID[2:]),
            "a log in capitals": (LOG_ID, LOG_ID.replace("ab", "AB")),
            "a log a digit short": (LOG_ID, LOG_ID[:-1]),
            "a log a byte longer": (LOG_ID, LOG_ID + "00"),
            "a log that is not hex": (LOG_ID, LOG_ID[:-1] + "g"),
            "a newline after the log": (LOG_ID, LOG_ID + "\n"),
            "an empty log": (LOG_ID, ""),
        },
    }.items():
        for name, (old, new) in edits.items():
            yield invalid(name, rule, origin=ORIGIN.replace(old, new, 1))


# Files.


def render() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {
        "inclusion.json": dump(build_inclusion()),
        "consistency.json": dump(build_consistency()),
        "tiles.json": dump(build_tiles()),
        "checkpoints.json": dump(build_checkpoints()),
    }


def dump(document: dict[str, object]) -> str:
    """Return JSON in ASCII with one case, one rule or one tile on each line."""
    members = [f"{json.dumps(name)}: {dump_value(value)}" for name, value in document.items()]
    return "{\n" + ",\n".join(members) + "\n}\n"


def dump_value(value: object) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(dump_case, value)) + "\n]"
    if isinstance(value, dict):
        return json.dumps(value, indent=1).replace("\n}", "\n }")
    return json.dumps(value)


def dump_case(case: Case) -> str:
    fields = ", ".join(f"{json.dumps(name)}: {dump_value_of(case[name])}" for name in case)
    return f" {{{fields}}}"


def dump_value_of(field: object) -> str:
    return dump_value(field) if isinstance(field, dict) else json.dumps(field)


def find_stale() -> list[str]:
    """Return the names of the files that are not what this script writes."""
    rendered = render()
    there = {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}
    return sorted(
        name for name in rendered.keys() | there.keys() if rendered.get(name) != there.get(name)
    )


def main() -> None:
    """Write the files, or say which are out of date."""
    if "--check" not in sys.argv:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, text in render().items():
            (FOLDER / name).write_text(text, encoding="utf-8")
    elif stale := find_stale():
        sys.exit(
            f"{', '.join(stale)} in tests/vectors/log: out of date, run "
            "`python scripts/build_vectors.py`"
        )


if __name__ == "__main__":
    main()
